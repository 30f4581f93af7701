//! Runs the built program as a user would: what it writes where, and how it ends.

mod bad_input;
mod batch;
mod bench;
mod data;
mod faults;
mod frictions;
mod masks;
mod memory;
mod operations;
mod outputs;
mod pictures;
mod polygons;
mod readme;
mod run_files;
mod shortcut;
mod slides;
mod words;
mod zarr;
mod zarr_hostile;
mod zarr_written;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program in a folder of its own.
pub(crate) struct Folder(TempDir);

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The names of all files, those that begin with a dot included.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// A command that runs the program in this folder.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runmask"));
        // Some Vulkan drivers complain on stderr when there is none.
        command.env("XDG_RUNTIME_DIR", self.path());
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// The program, which heeds interrupts also where the tests run in the background of a shell, which passes on to its
    /// background that interrupts are ignored; and what ignores them from its start goes on to.
    #[cfg(unix)]
    pub(crate) fn interruptible<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let program = self.command(arguments);
        if !cfg!(target_os = "linux") {
            return program;
        }
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(program.get_program()).args(program.get_args());
        command.env("XDG_RUNTIME_DIR", self.path()).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program with these words as arguments.
    pub(crate) fn run(&self, words: &str) -> Ended {
        Ended::of(self.command(words.split_whitespace()).output().unwrap())
    }

    /// Runs the program with `input` as its stdin.
    pub(crate) fn run_with(&self, words: &str, input: &[u8]) -> Ended {
        let mut child = self
            .command(words.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may end before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ended::of(child.wait_with_output().unwrap())
    }

    /// Runs the program, which must succeed and say nothing on stderr.
    #[track_caller]
    pub(crate) fn ok(&self, words: &str) -> String {
        let ended = self.run(words);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "runmask {words}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Runs the program, which must fail with one line on stderr, nothing on stdout and no new file; gives the line.
    #[track_caller]
    pub(crate) fn fails(&self, words: &str) -> String {
        let before = self.names();
        let ended = self.run(words);
        assert_eq!(self.names(), before, "runmask {words}");
        ended.one_line(words)
    }

    /// Fails with a line that has all of `parts` in it.
    #[track_caller]
    pub(crate) fn fails_with(&self, words: &str, parts: &[&str]) {
        let line = self.fails(words);
        for part in parts {
            assert!(line.contains(part), "runmask {words}\n{line}\nexpected: {part}");
        }
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self { status: output.status.code(), stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }

    #[track_caller]
    pub(crate) fn one_line(&self, what: &str) -> String {
        assert_eq!((self.status, self.stdout.as_slice()), (Some(2), &b""[..]), "{what}: {}", self.stderr);
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{what}: no line on stderr"));
        assert!(line.starts_with("runmask: ") && !line.contains('\n'), "{what}: {line}");
        assert!(!line.contains("panicked"), "{what}: {line}");
        line.to_owned()
    }
}

/// The bytes of an NPY file of this type and shape.
pub(crate) fn npy(descr: &str, height: u64, width: u64, pixels: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    while (10 + header.len() + 1) % 64 > 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(pixels);
    bytes
}

/// A mask of 4 x 5 with three labels: 1 and 2 touch, 7 is a single pixel.
pub(crate) fn small_mask() -> Vec<u8> {
    #[rustfmt::skip]
    let pixels = [
        0, 1, 1, 2, 0,
        0, 1, 1, 2, 0,
        0, 0, 2, 2, 0,
        7, 0, 0, 0, 0,
    ];
    npy("|u1", 4, 5, &pixels)
}

/// The runs of [`small_mask`] in the hubmap format.
pub(crate) const SMALL_HUBMAP: &str = "glom,pixels\n0,4 2 8 2\n1,10 1 12 3\n2,\n3,\n4,\n5,\n6,3 1\n";

/// The same in the table format.
pub(crate) const SMALL_TABLE: &str = "label,start,length\n1,4,2\n1,8,2\n2,10,1\n2,12,3\n7,3,1\n";

/// The JSON on stdout.
pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
