//! Of what kind a file is, so that a file in the wrong place gets the right question.
//!
//! Gets a path; looks at its first bytes or at its name; gives an error that says what the file is and what was perhaps
//! meant. A file that nothing is known about is let through: whoever reads it says what is wrong with it.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use runmask::format::Format;
use runmask::sink::MaskFormat;
use runmask::{Error, Result, source};

use crate::input::GZIP;
use crate::paths::is_stream;

/// What a file holds, or what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    Mask,
    Picture,
    Runs,
}

/// Extensions of pictures, those of slides included, that no mask is written to.
const PICTURES: [&str; 14] =
    ["jpg", "jpeg", "jp2", "jxl", "gif", "bmp", "webp", "pnm", "ppm", "pgm", "heic", "svg", "svs", "ndpi"];

impl Kind {
    /// What the name says.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        if is_stream(path) {
            None
        } else if Format::from_path(path).is_some() {
            Some(Self::Runs)
        } else if MaskFormat::of(path).is_ok() {
            Some(Self::Mask)
        } else {
            let extension = path.extension()?.to_str()?.to_ascii_lowercase();
            PICTURES.contains(&extension.as_str()).then_some(Self::Picture)
        }
    }

    /// What is there: by its first bytes, or by the name where these may be those of any text.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        if is_stream(path) {
            return None;
        }
        let metadata = path.metadata().ok()?;
        if metadata.is_dir() {
            return Some(if source::is_zarr(path) { Self::Mask } else { Self::Folder });
        }
        Self::of_bytes(&start(path)?).or_else(|| Self::of_name(path).filter(|&kind| kind == Self::Runs))
    }

    /// What the first bytes of a file say, if they are not those of any text.
    fn of_bytes(start: &[u8]) -> Option<Self> {
        match start {
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Mask),
            [0x89, b'P', b'N', b'G', ..] | [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Self::Mask),
            // A Zarr store in a zip file.
            [b'P', b'K', 3, 4, ..] => Some(Self::Mask),
            [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] | [b'R', b'I', b'F', b'F', ..] => Some(Self::Picture),
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Runs),
            _ => None,
        }
    }
}

/// The first bytes of a file, or those that stdin has ready: these stay there. A pipe under another name is read once.
fn start(path: &Path) -> Option<Vec<u8>> {
    if is_stream(path) {
        return Some(io::stdin().lock().fill_buf().ok()?.to_vec());
    }
    let mut start = Vec::new();
    if path.metadata().ok()?.is_file() {
        File::open(path).ok()?.take(64).read_to_end(&mut start).ok()?;
    }
    Some(start)
}

/// Whether a file that may be a mask or a run file is a run file, as far as its first bytes tell: it is text, or Parquet.
pub(crate) fn looks_like_runs(path: &Path) -> bool {
    let Some(start) = start(path) else { return false };
    if start.starts_with(&GZIP) {
        return Kind::of_name(path) == Some(Kind::Runs);
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start);
    match Kind::of_bytes(&start) {
        Some(kind) => kind == Kind::Runs,
        None => {
            !text.is_empty() && text.iter().take(8).all(|byte| byte.is_ascii_graphic() || b" \t\r\n".contains(byte))
        }
    }
}

fn refuse(path: &Path, message: &str) -> Result<()> {
    Err(Error::Argument(format!("{} {message}", path.display())))
}

/// Asks back when a file that is to be read as a mask is something else.
pub(crate) fn expect_mask(path: &Path) -> Result<()> {
    match Kind::of_file(path) {
        Some(Kind::Folder) => {
            let masks = path.join("*.tif");
            refuse(path, &format!("is a directory: name the masks in it, for instance {}", masks.display()))
        }
        Some(Kind::Runs) => refuse(
            path,
            "is a run file, not a mask: `runmask decode` writes its mask, `runmask convert` writes it in another format",
        ),
        _ => Ok(()),
    }
}

/// Asks back when a file that is to be read as a run file is something else.
pub(crate) fn expect_runs(path: &Path) -> Result<()> {
    match Kind::of_file(path) {
        Some(Kind::Folder) => refuse(path, "is a directory, not a run file"),
        Some(Kind::Mask) => refuse(path, "is a mask, not a run file: `runmask encode` writes its runs"),
        Some(Kind::Picture) => refuse(path, "is a picture, not a run file"),
        _ => Ok(()),
    }
}

/// Refuses the name of a mask or picture for runs.
pub(crate) fn runs_go_to(path: &Path) -> Result<()> {
    const USE: &str = "but the output is a run file: use .csv, .json, .geojson, .xml or .parquet";
    match Kind::of_name(path) {
        Some(Kind::Mask) => refuse(path, &format!("has the extension of a mask, {USE}")),
        Some(Kind::Picture) => refuse(path, &format!("has the extension of a picture, {USE}")),
        _ => Ok(()),
    }
}

/// Refuses the name of a run file or of another kind of picture for a mask.
pub(crate) fn mask_goes_to(path: &Path) -> Result<()> {
    const USE: &str = "but the output is a mask: use .tif, .png, .npy, .zarr, .raw or .bin";
    match Kind::of_name(path) {
        Some(Kind::Runs) => refuse(path, &format!("has the extension of a run file, {USE}")),
        Some(Kind::Picture) => refuse(path, &format!("has the extension of a picture, {USE}")),
        _ => Ok(()),
    }
}

/// Refuses every known extension but that of PNG.
pub(crate) fn png_goes_to(path: &Path) -> Result<()> {
    let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if is_png || Kind::of_name(path).is_none() {
        return Ok(());
    }
    refuse(path, "has the extension of another format, but the output is a PNG: use .png")
}

/// Refuses the extension of a picture or run file for escape-key records.
pub(crate) fn records_go_to(path: &Path) -> Result<()> {
    let known = Kind::of_name(path).is_some() && !matches!(MaskFormat::of(path), Ok(MaskFormat::Raw));
    if known {
        return refuse(path, "has the extension of another format, but the output is escape-key records");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds() {
        let kind = |name: &str| Kind::of_name(Path::new(name));
        assert_eq!(kind("a/b.TIF"), Some(Kind::Mask));
        assert_eq!(kind("a.png"), Some(Kind::Mask));
        assert_eq!(kind("a.Jpg"), Some(Kind::Picture));
        assert_eq!(kind("a.csv"), Some(Kind::Runs));
        assert_eq!(kind("a.txt"), None);
        assert_eq!(kind("-"), None);
    }

    #[test]
    fn bytes_tell_more_than_names() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Kind::of_file(&path)
        };
        assert_eq!(kind("a.csv", b"II*\0\x08\0\0\0"), Some(Kind::Mask));
        assert_eq!(kind("b.csv", b"glom,pixels\n"), Some(Kind::Runs));
        assert_eq!(kind("a.tif", b"glom,pixels\n"), None);
        assert_eq!(kind("c.csv", b""), Some(Kind::Runs));
        assert_eq!(Kind::of_file(folder.path()), Some(Kind::Folder));
        assert_eq!(kind("store", b"PK\x03\x04"), Some(Kind::Mask));
        std::fs::create_dir(folder.path().join("a.zarr")).unwrap();
        assert_eq!(Kind::of_file(&folder.path().join("a.zarr")), Some(Kind::Mask));
        assert_eq!(Kind::of_file(&folder.path().join("none.csv")), None);
        let looks_like_runs = |name: &str| looks_like_runs(&folder.path().join(name));
        assert!(looks_like_runs("b.csv") && looks_like_runs("a.tif"));
        assert!(!looks_like_runs("a.csv") && !looks_like_runs("c.csv") && !looks_like_runs("none.csv"));
    }
}
