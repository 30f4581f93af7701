use super::temporary::{abandon, clean, unfinished};
use super::*;

/// A file whose temporary file has a name, as where the system cannot do without.
fn create_named(path: &Path) -> AtomicFile {
    let temporary = Temporary::named(folder_of(path)).unwrap();
    let target = Target::Beside(temporary, path.to_path_buf());
    AtomicFile { file: BufWriter::with_capacity(BUFFER, target), path: path.to_path_buf() }
}

fn create_usual(path: &Path) -> AtomicFile {
    AtomicFile::create(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_when_it_is_finished() {
    for create in [create_usual, create_named] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        for text in ["new", "newer"] {
            let old = fs::read(&path).ok();
            let mut file = create(&path);
            file.write_all(text.as_bytes()).unwrap();
            file.flush().unwrap();
            assert_eq!(fs::read(&path).ok(), old);
            file.finish().unwrap();
            assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
            assert_eq!(names(folder.path()), ["runs.csv"]);
        }
    }
}

#[test]
fn a_file_given_up_leaves_the_old_one() {
    for (create, temporary) in [(create_usual as fn(&Path) -> _, cfg!(not(target_os = "linux"))), (create_named, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        fs::write(&path, "old").unwrap();
        let mut file = create(&path);
        file.write_all(&vec![1; 2 * BUFFER]).unwrap();
        // On Linux there is no name that could stay. (A file system that needs one would show here.)
        assert_eq!(names(folder.path()).len(), 1 + usize::from(temporary));
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["runs.csv"]);
    }
}

#[test]
fn only_outputs_under_way_are_known_to_be_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let known = || unfinished().iter().filter(|file| file.starts_with(folder.path())).count();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let (finished, given_up) = (create_named(&first), create_named(&second));
    assert_eq!(known(), 2);
    finished.finish().unwrap();
    drop(given_up);
    assert_eq!(known(), 0);
    assert_eq!(names(folder.path()), ["first"]);
}

#[test]
fn what_a_killed_process_left_is_removed_and_what_is_being_written_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.csv");
    let mut live = create_named(&path);
    live.write_all(b"live").unwrap();
    let other_names = [".runmask-a.txt", "runmask-a.tmp", ".other-a.tmp"];
    for name in [".runmask-killed.tmp"].iter().chain(&other_names) {
        fs::write(folder.path().join(name), "left").unwrap();
    }
    fs::create_dir_all(folder.path().join(".runmask-folder.tmp/inside")).unwrap();
    // What a killed process put aside while it replaced it.
    fs::create_dir(folder.path().join(".runmask-aside")).unwrap();
    clean(folder.path());
    assert!(!names(folder.path()).iter().any(|name| name.contains("killed") || name.contains("folder")));
    assert_eq!(names(folder.path()).len(), 1 + other_names.len() + 1);
    live.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"live");
    // The first temporary file with a name does that by itself.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".runmask-killed.tmp"), "left").unwrap();
    create_named(&folder.path().join("runs.csv")).finish().unwrap();
    assert_eq!(names(folder.path()), ["runs.csv"]);
}

/// Many clean up while many begin: nobody loses a file.
#[test]
fn cleaning_up_and_beginning_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                for file in 0..50 {
                    let path = folder.join(format!("{thread}-{file}"));
                    let mut output = create_named(&path);
                    output.write_all(b"whole").unwrap();
                    clean(folder);
                    output.finish().unwrap();
                    assert_eq!(fs::read(&path).unwrap(), b"whole");
                }
            });
        }
    });
    assert_eq!(names(folder.path()).len(), 200);
}

/// An interrupt comes while threads write.
#[cfg(unix)]
#[test]
fn an_abandoned_folder_goes_while_others_add_to_it() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(".runmask-a.tmp");
    // What is too slow to remove a folder that grows fails in one of six rounds.
    for _ in 0..40 {
        fs::create_dir(&root).unwrap();
        let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        let write = |inner: &Path| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let _ = fs::create_dir(inner);
                let made = fs::write(inner.join(number.to_string()), "chunk");
                written.fetch_add(usize::from(made.is_ok()), Ordering::Relaxed);
            }
        };
        let left = std::thread::scope(|scope| {
            for thread in 0..4 {
                let inner = root.join(thread.to_string());
                scope.spawn(move || write(&inner));
            }
            while written.load(Ordering::Relaxed) < 200 {
                std::thread::yield_now();
            }
            abandon(&root);
            let left = names(folder.path());
            stop.store(true, Ordering::Relaxed);
            left
        });
        assert!(left.is_empty() && names(folder.path()).is_empty(), "{left:?}");
    }
}

#[test]
fn folders_that_are_not_there_or_are_the_target_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = AtomicFile::create(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("writing {}", folder.path().display()));
    let path = folder.path().join("missing/runs.csv");
    assert!(matches!(AtomicFile::create(&path), Err(Error::Io { .. })));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn what_was_written_can_be_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"abcdef").unwrap();
    file.seek(SeekFrom::Start(2)).unwrap();
    file.write_all(b"XY").unwrap();
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abXYef");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_permissions_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("runs.csv"), folder.path().join("link"));
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut file = AtomicFile::create(&link).unwrap();
    file.write_all(b"new").unwrap();
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    // A new file is as open as one that any program makes here.
    let (new, usual) = (folder.path().join("new"), folder.path().join("usual"));
    AtomicFile::create(&new).unwrap().finish().unwrap();
    fs::write(&usual, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&new), mode(&usual));
}

#[cfg(unix)]
#[test]
fn devices_are_written_directly() {
    let mut file = AtomicFile::create(Path::new("/dev/null")).unwrap();
    file.write_all(b"away").unwrap();
    file.finish().unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::create_dir(file("sub")).unwrap();
    for (link, target) in
        [("first", "sub/second"), ("sub/second", "../runs.csv"), ("round", "round"), ("lost", "gone/x")]
    {
        std::os::unix::fs::symlink(target, file(link)).unwrap();
    }
    let mut output = AtomicFile::create(&file("first")).unwrap();
    output.write_all(b"new").unwrap();
    output.finish().unwrap();
    assert_eq!(fs::read(file("runs.csv")).unwrap(), b"new");
    for link in ["first", "sub/second"] {
        assert!(fs::symlink_metadata(file(link)).unwrap().is_symlink());
    }
    for link in ["round", "lost"] {
        assert!(matches!(AtomicFile::create(&file(link)), Err(Error::Io { .. })), "{link}");
        assert!(fs::symlink_metadata(file(link)).unwrap().is_symlink());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_file_is_gone_on_with() {
    use std::os::fd::AsRawFd;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "before\n").unwrap();
    let open = File::options().append(true).open(&path).unwrap();
    let name = PathBuf::from(format!("/dev/fd/{}", open.as_raw_fd()));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&name, &link).unwrap();
    for name in [name, link] {
        let mut output = AtomicFile::create(&name).unwrap();
        assert!(!output.is_seekable());
        output.write_all(b"after\n").unwrap();
        output.finish().unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), b"before\nafter\nafter\n");
}

#[cfg(unix)]
#[test]
fn errors_name_the_target_and_not_the_temporary_file() {
    let mut full = AtomicFile::create(Path::new("/dev/full")).unwrap();
    full.write_all(b"away").unwrap();
    let error = full.finish().unwrap_err();
    assert_eq!(error.to_string(), "writing /dev/full");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("No space left on device"), "{source}");
    let folder = tempfile::tempdir().unwrap();
    let error = Temporary::named(&folder.path().join("missing")).unwrap_err().to_string();
    assert!(error.starts_with("No such file or directory"), "{error}");
}

/// A store that is replaced is there at every moment, the old one or the new one.
#[cfg(all(feature = "zarr", target_os = "linux"))]
#[test]
fn a_folder_that_is_replaced_is_always_there() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = tempfile::tempdir().unwrap();
    let (name, done) = (folder.path().join("slide.zarr"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        TemporaryFolder::create(folder.path()).unwrap().persist(&name, false).unwrap();
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(fs::metadata(&name).is_ok_and(|found| found.is_dir()));
            }
        });
        for number in 0..300 {
            let next = TemporaryFolder::create(folder.path()).unwrap();
            fs::write(next.path().join("number"), number.to_string()).unwrap();
            next.persist(&name, true).unwrap();
            assert_eq!(fs::read_to_string(name.join("number")).unwrap(), number.to_string());
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
    assert_eq!(names(folder.path()), ["slide.zarr"]);
}
