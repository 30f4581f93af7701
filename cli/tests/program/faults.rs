//! What once went wrong: results lost or made up, signals taken that were not meant for the program, threads without end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use crate::outputs::under_way;
use crate::{Ended, Folder, json, npy, small_mask};

/// Runs `runmask WORDS` in a shell, after `before`.
#[cfg(unix)]
fn shell(folder: &Folder, before: &str, words: &str) -> Command {
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).env("XDG_RUNTIME_DIR", folder.path()).stdin(Stdio::null());
    command.args(["-c", &format!("{before}; exec \"$0\" {words}"), env!("CARGO_BIN_EXE_runmask")]);
    command
}

#[test]
fn two_masks_never_go_to_one_file_whatever_its_names() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.file("d/e")).unwrap();
    folder.write("s.npy", small_mask());
    folder.write("d/k.npy", npy("|u1", 1, 1, &[3]));
    let full = folder.file("s.npy");
    let full = full.to_str().unwrap();
    for words in [
        format!("encode ./s.npy {full}"),
        "encode d/k.npy d/e/../k.npy".into(),
        format!("encode ./s.npy {full} --out-dir new/folder"),
    ] {
        folder.fails_with(&words, &["would both go to"]);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("d", folder.file("linked")).unwrap();
        folder.fails_with("encode d/k.npy linked/k.npy", &["d/k.npy", "linked/k.npy", "would both go to"]);
        std::os::unix::fs::symlink("d/k.csv", folder.file("s.csv")).unwrap();
        folder.fails_with("encode s.npy d/k.npy", &["would both go to"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    /// A machine with much else to do may take long.
    const PATIENCE: Duration = Duration::from_secs(120);
    /// By then a process that heeds a signal has mostly ended.
    const SOON: Duration = Duration::from_millis(500);
    let synth = "synth noise --height 400000 --width 20000 -o noise.npy";
    for (ignored, signal, ends) in [("HUP", "-HUP", false), ("INT TERM", "-TERM", false), ("HUP", "-TERM", true)] {
        let folder = Folder::new();
        let mut child = shell(&folder, &format!("trap '' {ignored}"), synth).spawn().unwrap();
        // The work has begun, and with it the thread that listens.
        let begun = Instant::now();
        while !under_way(child.id(), &folder) {
            assert!(begun.elapsed() < PATIENCE, "no temporary file appears");
            std::thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let sent = Instant::now();
        while child.try_wait().unwrap().is_none() && sent.elapsed() < if ends { PATIENCE } else { SOON } {
            std::thread::sleep(Duration::from_millis(5));
        }
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ended.and_then(|status| status.code()), ends.then_some(130), "{signal} with {ignored} ignored");
    }
}

#[test]
fn more_threads_than_anybody_needs_are_not_started() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    for threads in [4000, 999_999] {
        let started = Instant::now();
        let ended = folder.run(&format!("encode mask.npy --json -j {threads}"));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        let warning = format!(" of {threads} threads are started: ");
        assert!(ended.stderr.starts_with("runmask: warning: ") && ended.stderr.contains(&warning), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
        assert!(summary["warnings"][0].as_str().unwrap().contains(&warning), "{summary}");
        assert_eq!(folder.text("mask.csv"), crate::SMALL_HUBMAP);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_threads_to_give_gets_fewer_or_one_line() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    for name in ["a.npy", "b.npy", "c.npy"] {
        folder.write(name, small_mask());
    }
    // No limit holds for root, so the program runs as somebody else, from where everybody may read it.
    std::fs::copy(env!("CARGO_BIN_EXE_runmask"), folder.file("runmask")).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let run = |limit: u32, words: &str| {
        let mut command = Command::new("setpriv");
        command.current_dir(folder.path()).args(["--reuid=54321", "--regid=54321", "--clear-groups", "prlimit"]);
        command.arg(format!("--nproc={limit}")).args(words.split(' ')).output()
    };
    if !run(100, "true").is_ok_and(|ended| ended.status.success()) {
        eprintln!("NOT TESTED: setpriv and prlimit cannot run a program as another user here");
        return;
    }
    let words = "./runmask encode a.npy b.npy c.npy -j 200";
    for limit in [2, 3, 10, 100] {
        let ended = Ended::of(run(limit, words).unwrap());
        assert_eq!(ended.status, Some(0), "{limit}: {}", ended.stderr);
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(lines[0].contains(" of 200 threads are started: Resource temporarily unavailable"), "{lines:?}");
        assert_eq!(lines[1..], ["runmask: 3 encoded, 0 skipped, 0 failed"], "{limit}");
        assert_eq!(folder.text("c.csv"), crate::SMALL_HUBMAP);
    }
    let line = Ended::of(run(1, words).unwrap()).one_line("a single process");
    assert!(line.contains("thread") && line.contains("Resource temporarily unavailable"), "{line}");
}

/// A name that is no text.
#[cfg(target_os = "linux")]
fn no_text(rest: &[u8]) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec([b"gr\xf6\xdfe", rest].concat())
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_costs_no_summary_and_no_id() {
    let folder = Folder::new();
    std::fs::write(folder.path().join(no_text(b".npy")), small_mask()).unwrap();
    folder.write("other.npy", small_mask());
    let words = |words: &[&str]| {
        let mut all = vec![words[0].into(), no_text(b".npy")];
        all.extend(words[1..].iter().map(Into::into));
        Ended::of(folder.command(all).output().unwrap())
    };
    let ended = words(&["encode", "other.npy", "--json", "-f", "kaggle", "--renumber"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let summary = json(std::str::from_utf8(&ended.stdout).unwrap());
    assert_eq!(summary["encoded"], 2);
    assert_eq!(summary["slides"][0]["input"], "gr\u{fffd}\u{fffd}e.npy");
    let text = std::fs::read_to_string(folder.path().join(no_text(b".csv"))).unwrap();
    assert_eq!(text.lines().nth(1).unwrap().split(',').next(), Some("gr\u{fffd}\u{fffd}e"), "{text}");
    let ended = words(&["info", "--json"]);
    assert_eq!(json(std::str::from_utf8(&ended.stdout).unwrap())["file"], "gr\u{fffd}\u{fffd}e.npy");
}

#[cfg(unix)]
#[test]
fn no_name_and_no_id_reaches_a_terminal_raw() {
    let folder = Folder::new();
    let evil = "a\u{1b}]0;title\u{7}b\u{9b}31m\nc";
    folder.write(&format!("{evil}.npy"), small_mask());
    folder.write(&format!("{evil}.tif"), "no mask");
    folder.write("ids.csv", "id,rle\nx\u{1b}[2Jy,1 2\nz\u{7},1 2\n");
    folder.write("wrong.csv", "glom,\u{1b}[2J\n");
    let run = |words: &[&str]| Ended::of(folder.command(words).output().unwrap());
    let mask = format!("{evil}.npy");
    let broken = format!("{evil}.tif");
    let runs = format!("{evil}.csv");
    for (words, shown) in [
        (&["info", &mask][..], r"a\u{1b}]0;title\u{7}b\u{9b}31m\nc.npy"),
        (&["info", &broken], r"\u{1b}]0;title\u{7}b\u{9b}31m"),
        (&["verify", &mask, "ids.csv", "--second-format", "kaggle", "--image", "z\u{7}"], r"\u{9b}31m"),
        (&["info", "ids.csv", "-f", "kaggle"], r"x\u{1b}[2Jy: "),
        (&["decode", "ids.csv", "-f", "kaggle", "-o", "o.npy", "--height", "2", "--width", "3"], r"x\u{1b}[2Jy"),
        (&["decode", &runs, "-o", "o.npy"], r"\u{9b}31m"),
        (&["info", "wrong.csv"], "wrong.csv"),
        (&["doctor", "ids.csv"], ""),
        (&["doctor", "wrong.csv"], "format:  unknown"),
        (&["encode", &mask, &broken, "--out-dir", "out"], r"\u{9b}31m"),
        (&["no\u{1b}[31m"], "unrecognized subcommand"),
        (&["bench", &mask, "--samples", "1"], r"a\u{1b}]0;title\u{7}b\u{9b}31m"),
    ] {
        let ended = run(words);
        let text = [std::str::from_utf8(&ended.stdout).unwrap(), &ended.stderr].concat();
        assert!(text.contains(shown), "{words:?} {text}");
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{words:?} {text:?}");
    }
}
