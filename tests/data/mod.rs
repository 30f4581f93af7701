//! The folder of real masks and run files, which is not part of the project.

use std::path::{Path, PathBuf};

/// The folder that `RUNMASK_TEST_DATA` names, or `../shared/data` beside the project.
///
/// `None`, said loudly, when it is not there; a panic then when `RUNMASK_REQUIRE_DATA` is `1`.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = match std::env::var_os("RUNMASK_TEST_DATA") {
        // A relative path means the same wherever the tests run.
        Some(path) => root.join(path),
        None => root.join("../shared/data"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("RUNMASK_REQUIRE_DATA").is_none_or(|value| value != "1"),
        "RUNMASK_REQUIRE_DATA is 1, but there is no folder {}",
        folder.display()
    );
    eprintln!("SKIPPED: no real data, because there is no folder {}", folder.display());
    None
}
