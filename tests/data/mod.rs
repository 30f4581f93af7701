//! Where the real masks and run files lie.

use std::path::PathBuf;

/// The folder named by `RUNMASK_TEST_DATA`, by default `../shared/data` from the project's root; `None`, loudly, when it
/// is absent. With `RUNMASK_REQUIRE_DATA=1` absence is a failure.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = match std::env::var_os("RUNMASK_TEST_DATA") {
        Some(folder) => root.join(folder),
        None => root.join("../shared/data"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("RUNMASK_REQUIRE_DATA").is_none_or(|value| value != "1"),
        "RUNMASK_REQUIRE_DATA=1, but there is no folder {}",
        folder.display()
    );
    eprintln!("NOT TESTED: no test data in {} (set RUNMASK_TEST_DATA)", folder.display());
    None
}
