//! Where the real test data lies.

use std::path::PathBuf;

/// The folder of real masks and run files: `RUNMASK_TEST_DATA`, or `../shared/data` beside the project.
///
/// `None`, said loudly, when it is absent.
///
/// # Panics
/// When it is absent and `RUNMASK_REQUIRE_DATA=1`: a skip must not look like a pass there.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("RUNMASK_TEST_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("RUNMASK_REQUIRE_DATA").is_none_or(|value| value != "1"),
        "no test data in {}, and RUNMASK_REQUIRE_DATA=1",
        folder.display()
    );
    eprintln!("SKIPPED: no test data in {}; set RUNMASK_TEST_DATA", folder.display());
    None
}
