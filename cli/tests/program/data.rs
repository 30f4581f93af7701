//! Where the real masks and run files lie.

use std::path::{Path, PathBuf};

/// The folder named by `RUNMASK_TEST_DATA`, by default `../shared/data` from the project's root; `None`, loudly, when it
/// is absent. With `RUNMASK_REQUIRE_DATA=1` absence is a failure.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join(std::env::var_os("RUNMASK_TEST_DATA").unwrap_or("../shared/data".into()));
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("RUNMASK_REQUIRE_DATA").is_some_and(|value| value == "1");
    assert!(!required, "RUNMASK_REQUIRE_DATA=1, but there is no folder {}", folder.display());
    eprintln!("NOT TESTED: no test data in {} (set RUNMASK_TEST_DATA)", folder.display());
    None
}
