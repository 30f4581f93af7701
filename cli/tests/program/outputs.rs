//! Streams, pipes, interrupts, full disks: no partial output, whatever happens.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Ended, Folder, npy, small_mask};

#[test]
fn an_output_that_is_an_input_is_refused_before_anything_is_touched() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.write("runs.csv", crate::SMALL_HUBMAP);
    fs::create_dir(folder.file("sub")).unwrap();
    for words in [
        "encode mask.npy -o mask.npy",
        "encode mask.npy -o sub/../mask.npy",
        "decode runs.csv -o runs.csv --height 4 --width 5 --mask-format npy",
        "decode runs.csv -o mask.npy --like mask.npy",
        "convert runs.csv -o runs.csv -f table",
        "preview mask.npy -o mask.npy",
        "pixels encode mask.npy -o mask.npy",
    ] {
        folder.fails_with(words, &["the output would replace the input"]);
    }
    assert_eq!(folder.read("mask.npy"), small_mask());
    assert_eq!(folder.text("runs.csv"), crate::SMALL_HUBMAP);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("mask.npy", folder.file("link.npy")).unwrap();
        folder.fails_with("encode mask.npy -o link.npy", &["the output would replace the input"]);
    }
}

#[test]
fn an_error_leaves_the_old_output() {
    let folder = Folder::new();
    folder.write("mask.npy", &small_mask()[..small_mask().len() - 3]);
    folder.write("mask.csv", "old");
    folder.fails("encode mask.npy");
    assert_eq!(folder.text("mask.csv"), "old");
    folder.write("bad.csv", "label,start,length\n1,0,5\n2,4,1\n");
    folder.write("back.tif", "old");
    folder.fails("decode bad.csv -f table -o back.tif --height 4 --width 5");
    assert_eq!(folder.text("back.tif"), "old");
}

#[test]
fn an_output_folder_that_cannot_be_written_is_one_line() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.write("file", "");
    folder.fails_with("encode mask.npy -o missing/mask.csv", &["missing/mask.csv", "No such file"]);
    folder.fails_with("encode mask.npy -o file/mask.csv", &["file/mask.csv", "Not a directory"]);
    folder.fails_with("encode mask.npy --out-dir file", &["file"]);
    folder.fails_with("encode mask.npy -o .", &["is a directory"]);
    if cfg!(target_os = "linux") {
        // Neither a file without a name nor one with a temporary name can be there, and that is nobody's business.
        let line = folder.fails("encode mask.npy -o /proc/mask.csv");
        assert!(line.ends_with("writing /proc/mask.csv: No such file or directory (os error 2)"), "{line}");
        folder.fails_with("encode mask.npy --out-dir /proc/runs", &["/proc/runs"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_name_of_stdout_is_written_and_not_replaced() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    assert_eq!(folder.ok("encode mask.npy -o /dev/stdout"), crate::SMALL_HUBMAP);
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_one_line() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.fails_with("encode mask.npy -o /dev/full", &["/dev/full", "No space left"]);
    folder.write("runs.csv", crate::SMALL_HUBMAP);
    folder.fails_with("decode runs.csv -o /dev/full --mask-format npy --height 4 --width 5", &["No space left"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = folder.command(["encode", "mask.npy", "-o", "-"]).stdout(full).output().unwrap();
    let line = Ended::of(ended).one_line("encode to a full stdout");
    assert!(line.contains("No space left"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line_and_no_partial_file() {
    /// A file system in memory, gone with the test.
    struct Small(Folder);
    impl Drop for Small {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(self.0.path()).status();
        }
    }
    let source = Folder::new();
    source.ok("synth noise --height 400 --width 400 -o noise.npy");
    source.ok("encode noise.npy -o noise.csv");
    let disk = Folder::new();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(disk.path()).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("NOT TESTED: no small file system can be mounted here; /dev/full stands in for it");
        return;
    }
    let disk = Small(disk);
    let out = disk.0.path().display();
    for words in [
        format!("encode noise.npy -o {out}/noise.csv"),
        format!("encode noise.npy -o {out}/noise.json"),
        format!("decode noise.csv -o {out}/noise.npy --height 400 --width 400"),
        format!("decode noise.csv -o {out}/noise.tif --height 400 --width 400"),
        format!("decode noise.csv -o {out}/noise.png --height 400 --width 400"),
        format!("convert noise.csv -o {out}/noise.csv -f table"),
        format!("preview noise.npy -o {out}/noise.png"),
        format!("synth noise --height 400 --width 400 -o {out}/noise.raw"),
    ] {
        let line = source.fails(&words);
        assert!(line.contains("No space left"), "runmask {words}\n{line}");
        assert_eq!(disk.0.names(), Vec::<String>::new(), "runmask {words}");
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let folder = Folder::new();
    folder.ok("synth noise --height 700 --width 700 -o noise.npy");
    for words in
        ["encode noise.npy -o -", "info noise.npy --json", "decode noise.csv -o - --mask-format npy --like noise.npy"]
    {
        if words.starts_with("decode") {
            folder.ok("encode noise.npy");
        }
        let mut child =
            folder.command(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut start).unwrap();
        drop(child.stdout.take());
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "runmask {words}");
    }
}

/// Only whoever reads standard output may have seen enough; a pipe with a name that nobody reads any more is an error.
#[cfg(unix)]
#[test]
fn a_closed_pipe_with_a_name_is_an_error() {
    let folder = Folder::new();
    folder.ok("synth noise --height 700 --width 700 -o noise.npy");
    folder.ok("encode noise.npy -o noise.csv");
    for (name, words) in
        [("pipe", "encode noise.npy -f table -o pipe"), ("pipe.npy", "decode noise.csv --like noise.npy -o pipe.npy")]
    {
        let pipe = folder.file(name);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = folder.command(words.split_whitespace()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 5];
        fs::File::open(&pipe).unwrap().read_exact(&mut start).unwrap();
        let line = Ended::of(child.wait_with_output().unwrap()).one_line(words);
        assert!(line.contains("writing pipe") && line.contains("Broken pipe"), "{line}");
    }
}

/// Whether a process writes to a temporary file: one without a name that it has open, or one with a name.
#[cfg(unix)]
pub(super) fn under_way(process: u32, folder: &Folder) -> bool {
    let unnamed = fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|files| {
        let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        links.into_iter().any(|link| link.starts_with(folder.path()) && link.to_string_lossy().ends_with(" (deleted)"))
    });
    unnamed || folder.names().iter().any(|file| file.starts_with('.'))
}

/// Nothing can be done about SIGKILL, so nothing may be there that would have to be removed.
#[cfg(target_os = "linux")]
#[test]
fn a_kill_leaves_nothing_behind() {
    let folder = Folder::new();
    for name in ["noise.npy", "noise.tif", "noise.png"] {
        let mut child = folder
            .interruptible(["synth", "noise", "--height", "400000", "--width", "20000", "-o", name])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(120);
        while !under_way(child.id(), &folder) {
            assert!(Instant::now() < patience, "no temporary file appears");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(folder.names(), Vec::<String>::new(), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_file_is_gone_on_with_and_a_link_to_nowhere_is_written_through() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.write("log", "before\n");
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let log = fs::File::options().append(true).open(folder.file("log")).unwrap();
        let ended = folder.command(["encode", "mask.npy", "-o", name]).stdout(log).output().unwrap();
        assert_eq!(Ended::of(ended).status, Some(0), "{name}");
    }
    assert_eq!(folder.text("log"), format!("before\n{0}{0}{0}", crate::SMALL_HUBMAP));
    std::os::unix::fs::symlink("runs.csv", folder.file("link.csv")).unwrap();
    folder.ok("encode mask.npy -o link.csv");
    assert!(fs::symlink_metadata(folder.file("link.csv")).unwrap().is_symlink());
    assert_eq!(folder.text("runs.csv"), crate::SMALL_HUBMAP);
}

/// Files of a few bytes that ask for a mask with one very long side: an answer in little memory.
#[cfg(target_os = "linux")]
#[test]
fn a_long_side_takes_no_memory_of_its_own() {
    let folder = Folder::new();
    let limited = |words: &str, mebibytes: u64| {
        let line = format!("ulimit -v {}; exec {} {words} -j 2", mebibytes << 10, env!("CARGO_BIN_EXE_runmask"));
        let ended = std::process::Command::new("sh").arg("-c").arg(line).current_dir(folder.path()).output().unwrap();
        Ended::of(ended)
    };
    let coco = |height: u64, width: u64, counts: &str| {
        format!(
            r#"{{"images":[],"annotations":[{{"id":1,"image_id":1,"category_id":1,"segmentation":{{"size":[{height},{width}],"counts":[{counts}]}}}}]}}"#
        )
    };
    // Of the address space the program itself takes a part.
    folder.write("tall.json", coco(400_000_000, 1, "0,1,399999999"));
    let ended = limited("decode tall.json -f coco -o tall.npy", 500);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    fs::remove_file(folder.file("tall.npy")).unwrap();
    folder.write("wide.json", coco(1, 100_000_000, "0,100000000"));
    let ended = limited("decode wide.json -f coco -o wide.npy", 700);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    fs::remove_file(folder.file("wide.npy")).unwrap();
    folder.write("wider.json", coco(1, 4_294_967_295, "0,4294967295"));
    for words in [
        "decode wider.json -f coco -o wider.npy",
        "synth glomeruli --height 1 --width 4294967295 -o wider.npy",
        "pixels decode empty -o wider.png --height 1 --width 4294967295",
    ] {
        folder.write("empty", "");
        let ended = limited(words, 4000);
        let line = ended.one_line(words);
        assert!(line.contains("at most 1073741824"), "{line}");
        assert!(folder.names().iter().all(|name| !name.contains("tmp") && !name.starts_with("wider.n")), "{words}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    for (signal, name) in [("-INT", "noise.npy"), ("-TERM", "noise.tif")] {
        let folder = Folder::new();
        folder.write(name, "old");
        let mut child = folder
            .interruptible(["synth", "noise", "--height", "400000", "--width", "20000", "-o", name])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(120);
        while !under_way(child.id(), &folder) {
            assert!(Instant::now() < patience, "no temporary file appears");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{signal}");
        assert_eq!(folder.names(), [name], "{signal}");
        assert_eq!(folder.text(name), "old");
    }
}

#[test]
fn progress_is_for_terminals_or_for_those_who_ask() {
    let folder = Folder::new();
    // Long enough for the first second to pass.
    let words = "synth noise --height 1000000 --width 10000 -o noise.npy";
    for (insist, lines) in [("", false), ("--progress", true)] {
        let mut child = folder
            .command(words.split_whitespace().chain(insist.split_whitespace()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(if lines { 2500 } else { 1200 }));
        assert!(child.try_wait().unwrap().is_none(), "the mask is too small for this machine");
        let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        assert_eq!(text.contains("runmask: noise.npy: ") && text.contains("/s, "), lines, "{text}");
        assert!(lines || text.is_empty(), "{text}");
    }
}

#[test]
fn help_and_version_go_to_stdout_and_wrong_words_to_stderr() {
    let folder = Folder::new();
    assert!(folder.ok("--version").starts_with("runmask "));
    let help = folder.ok("--help");
    for command in
        ["encode", "decode", "convert", "info", "verify", "preview", "doctor", "pixels", "synth", "bench", "engines"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        let own = folder.ok(&format!("{command} --help"));
        assert!(own.contains("Usage: runmask "), "{own}");
    }
    for words in [
        "",
        "encode",
        "no-such-command",
        "encode a.tif --engine steam",
        "encode a.tif --memory 0",
        "preview a -o b --max-side 0",
    ] {
        let ended = folder.run(words);
        assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "runmask {words}");
        assert!(!ended.stderr.is_empty(), "runmask {words}");
    }
    folder.write("a.npy", npy("|u1", 1, 1, &[1]));
    folder.fails_with("encode a.npy a.npy", &["both go to"]);
}
