//! In which format a run file is, told from its first bytes: the one place that does so.
//!
//! Each format says whether a beginning can be its own ([`Fit`]): its header, its keys or its root element tell. Where
//! two formats share a header, their first rows may tell them apart.

use std::borrow::Cow;
use std::io::{self, BufRead, Cursor, Read};

use super::Format;
use super::ReadOptions;
use super::outline::Outline;
use super::rows::two_names;
use super::text::{BOM, MAX_HEADER, reading, show, without_end};
use crate::error::{Error, Result};
use crate::memory::append;
use crate::pixels;

/// Bytes of a file that tell its format. A format whose header is longer cannot be told.
const BEGINNING: usize = 1 << 16;

/// Whether a file can be of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// It cannot.
    No,
    /// Only when the caller says what its columns are.
    IfTold,
    /// Nothing speaks against it.
    Perhaps,
    /// Its header, its keys or its root element are those of the format.
    Sure,
}

/// The first bytes of a file.
pub(crate) struct Beginning<'a> {
    bytes: &'a [u8],
    text: &'a [u8],
    /// Whether the file ends with them.
    whole: bool,
    outline: Option<Outline>,
    /// The columns of images and runs, where the caller names them.
    named: Option<[&'a str; 2]>,
}

impl<'a> Beginning<'a> {
    pub(crate) fn new(bytes: &'a [u8], whole: bool) -> Self {
        let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
        Self { bytes, text, whole, outline: Outline::of(text), named: None }
    }

    /// The same where the caller names the columns of images and runs, as [`ReadOptions::header`] has them.
    fn naming(self, header: Option<&'a str>) -> Self {
        Self { named: header.and_then(|header| two_names(header).ok()), ..self }
    }

    /// The columns of images and runs, where the caller names them and the first line has them.
    pub(super) fn named(&self) -> Option<[&'a str; 2]> {
        let columns = self.columns();
        self.named.filter(|names| names.iter().all(|name| columns.iter().any(|column| column == name)))
    }

    /// The bytes without a byte order mark.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    pub(crate) fn has_byte_order_mark(&self) -> bool {
        self.text.len() < self.bytes.len()
    }

    /// The first line without its end; `None` when it is no text or longer than any header.
    pub(super) fn line(&self) -> Option<&'a str> {
        let end = memchr::memchr(b'\n', self.text);
        let line = without_end(&self.text[..end.map_or(self.text.len(), |end| end + 1)]);
        let is_text = |line: &&str| !line.chars().any(|character| character.is_control() && character != '\t');
        (end.is_some() || self.whole).then_some(line).filter(|line| line.len() < MAX_HEADER)?;
        std::str::from_utf8(line).ok().filter(is_text)
    }

    /// What parts the fields of a table; see [`separator`].
    pub(super) fn separator(&self) -> u8 {
        separator(self.line().unwrap_or("").as_bytes())
    }

    /// The names in the first line.
    pub(super) fn columns(&self) -> Vec<Cow<'a, str>> {
        let Some(line) = self.line() else { return Vec::new() };
        let name = |name: &'a str| {
            let name = name.trim();
            name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).into()
        };
        line.split(char::from(self.separator())).map(name).collect()
    }

    /// The rows after the first line that end in these bytes.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut lines = self.text.split_inclusive(|&byte| byte == b'\n');
        lines.next();
        let whole = self.whole;
        lines.filter(move |line| whole || line.ends_with(b"\n")).map(without_end)
    }

    /// The keys of JSON, when the file begins like it.
    pub(super) fn outline(&self) -> Option<&Outline> {
        self.outline.as_ref()
    }

    /// The formats that fit, the surest first, with how sure they are.
    pub(crate) fn candidates(&self) -> Vec<(Format, Fit)> {
        let fit = |&format: &Format| (format, (format.description().fits)(self));
        let mut fits: Vec<_> = Format::ALL.iter().map(fit).filter(|(_, fit)| *fit > Fit::No).collect();
        fits.sort_by_key(|(_, fit)| std::cmp::Reverse(*fit));
        fits
    }

    /// The formats that fit best.
    fn best(&self) -> Vec<Format> {
        let candidates = self.candidates();
        let best = candidates.first().map_or(Fit::Perhaps, |(_, fit)| *fit).max(Fit::Perhaps);
        candidates.into_iter().filter(|(_, fit)| *fit == best).map(|(format, _)| format).collect()
    }

    /// What the file looks like, in words for a message.
    pub(crate) fn looks_like(&self) -> String {
        const MARKS: &[(&[u8], &str)] = &[
            (b"\x1F\x8B", "a file compressed with gzip"),
            (b"PK\x03\x04", "a zip archive"),
            (b"\x28\xB5\x2F\xFD", "a file compressed with zstd"),
            (b"II*\0", "a TIFF image"),
            (b"MM\0*", "a TIFF image"),
            (b"II+\0", "a TIFF image"),
            (b"MM\0+", "a TIFF image"),
            (b"\x89PNG", "a PNG image"),
            (b"\xFF\xD8\xFF", "a JPEG image"),
            (b"\x93NUMPY", "a NumPy array"),
            (b"PAR1", "a Parquet file"),
        ];
        if let Some((_, name)) = MARKS.iter().find(|(mark, _)| self.bytes.starts_with(mark)) {
            return (*name).into();
        }
        if self.bytes.is_empty() {
            return "an empty file".into();
        }
        if self.bytes.starts_with(&pixels::KEY) {
            return "a file that begins with the key of escape-key records, which are pixels".into();
        }
        if let Some(outline) = &self.outline {
            let polygons = outline.has("geometry") || outline.has("features/geometry");
            return if polygons { "JSON with polygons (GeoJSON)" } else { "JSON" }.into();
        }
        match self.line() {
            Some(line) if self.text.trim_ascii_start().starts_with(b"<") => {
                format!("XML that begins with {}", show(line.as_bytes()))
            }
            Some(line) => format!("a text whose first line is {}", show(line.as_bytes())),
            None => format!("a file that begins with {}", show(self.bytes)),
        }
    }
}

/// The names of the formats whose header, keys or root element these are.
pub(super) fn sure(beginning: &[u8]) -> Vec<&'static str> {
    let candidates = Beginning::new(beginning, true).candidates();
    candidates.into_iter().filter(|(_, fit)| *fit == Fit::Sure).map(|(format, _)| format.name()).collect()
}

/// What parts the fields of a table with this first line: a comma, or a tab or semicolon where there is no comma.
pub(super) fn separator(line: &[u8]) -> u8 {
    let has = |byte: &u8| memchr::memchr(*byte, line).is_some();
    [b',', b'\t', b';'].into_iter().find(has).unwrap_or(b',')
}

/// The formats that a file with these first bytes can be in: one where its header, its keys or its root element tell;
/// several where they do not; none where no format has such a file.
///
/// ```
/// use runmask::format::{Format, fits};
///
/// assert_eq!(fits(b"glom,pixels\n0,3 4\n"), [Format::Hubmap]);
/// // The first rows of these two conventions may look alike.
/// assert_eq!(fits(b"ImageId,EncodedPixels\na,1 3\n"), [Format::Kaggle, Format::Siim]);
/// assert_eq!(fits(b"ImageId,EncodedPixels\na,9 3 5 2\n"), [Format::Siim]);
/// assert_eq!(fits(b"hello\n"), []);
/// ```
pub fn fits(beginning: &[u8]) -> Vec<Format> {
    Beginning::new(&beginning[..beginning.len().min(BEGINNING)], beginning.len() <= BEGINNING).best()
}

/// A reader whose first bytes were looked at; it gives them again.
pub type Detected<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Tells the format of a run file from its first bytes, whether it is a file or a stream, and gives them back with the
/// rest.
///
/// ```
/// use runmask::format::{self, Format, ReadOptions};
///
/// let file = b"label,start,length\n3,0,5\n";
/// let (format, mut reader) = format::detect(&file[..])?;
/// assert_eq!(format, Format::Table);
/// let runs = format::read(format, &mut reader, &ReadOptions::new())?;
/// assert_eq!(runs.labels(), [3]);
/// # Ok::<(), runmask::Error>(())
/// ```
///
/// # Errors
/// [`Error::UnknownFormat`] when no format fits, or several do; [`Error::Format`] for a file that is compressed as a whole;
/// [`Error::Io`] when reading fails.
pub fn detect<R: BufRead>(reader: R) -> Result<(Format, Detected<R>)> {
    detect_with(reader, &ReadOptions::new())
}

/// As [`detect()`], for a file that is to be read with these options: they may name its columns.
///
/// # Errors
/// As [`detect()`].
///
/// ```
/// use runmask::format::{self, Format, ReadOptions};
/// let options = ReadOptions::new().header("picture,pixels".to_owned());
/// let (format, _) = format::detect_with(&b"picture,pixels\nslide,1 3\n"[..], &options)?;
/// assert_eq!(format, Format::Kaggle);
/// # Ok::<(), runmask::Error>(())
/// ```
pub fn detect_with<R: BufRead>(reader: R, options: &ReadOptions) -> Result<(Format, Detected<R>)> {
    let (bytes, whole, reader) = begin(reader)?;
    let beginning = Beginning::new(&bytes, whole).naming(options.header.as_deref());
    match beginning.best().as_slice() {
        [format] => Ok((*format, Cursor::new(bytes).chain(reader))),
        others => {
            let (found, fits) = (beginning.looks_like(), others.iter().map(|format| format.name()).collect());
            Err(if found.contains("compressed") {
                Error::format(crate::error::Place::File, "a run file", found).with_remedy(crate::error::Remedy::Unpack)
            } else {
                let columns = others.is_empty() && beginning.columns().len() > 1;
                Error::UnknownFormat { what: "the file".into(), fits, found, columns }
            })
        }
    }
}

/// The first bytes of a file, and whether it ends with them.
pub(crate) fn begin<R: BufRead>(mut reader: R) -> Result<(Vec<u8>, bool, R)> {
    let mut bytes = Vec::new();
    let read = append(&mut reader, BEGINNING as u64, &mut bytes).map_err(reading)?;
    Ok((bytes, read < BEGINNING, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Remedy;

    #[test]
    fn headers_keys_and_elements_tell_the_format() {
        let mut cases: Vec<(&[u8], &[&str])> = vec![
            (b"\xEF\xBB\xBFglom,pixels\r\n0,1 2\n", &["hubmap"]),
            (b"label,start,length", &["table"]),
            (b"label;start;length\n", &["table"]),
            (b"id,rle\n", &["kaggle"]),
            (b"id,height,width,rle\na,2,3,1 2\n", &["kaggle"]),
            (b"ImageId, EncodedPixels\na, -1\n", &["kaggle", "siim"]),
            // Starts that ascend, all of eight, are no gaps; one that does not is one.
            (b"ImageId,EncodedPixels\na,1 1 3 1 5 1 7 1 9 1 11 1 13 1 15 1 17 1\n", &["kaggle"]),
            (b"ImageId,EncodedPixels\na,1 1 3 1\nb,9 3 5 2\n", &["siim"]),
            (b"a,b\n1,2\n", &[]),
            (b"hello\n", &[]),
            (b"", &[]),
            (&[0; 9000], &[]),
        ];
        if cfg!(feature = "oid") {
            cases.push((b"ID,ImageWidth,ImageHeight,PredictionString\n", &["oid"]));
        }
        if cfg!(feature = "cvat") {
            cases.push((b" <?xml version=\"1.0\"?>\n<annotations>\n", &["cvat"]));
        }
        if cfg!(feature = "json") {
            cases.extend([
                (&b"{\"info\":{},\"images\":[{\"id\":1"[..], &["coco"][..]),
                (b"{\"annotations\":[{\"segmentation\":{\"counts\":[1", &["coco"]),
                (b"[{\"image_id\":3,\"category_id\"", &["coco"]),
                (b"[{\"segmentation\":{\"size\":[1,2],\"counts\":[2]},\"area\":0}]", &["sam"]),
                (b"{\"size\":[1,2],\"counts\":[2]}", &["sam"]),
                (b"[{\"id\":1,\"data\":{\"image\":\"x\"},\"annotations\":[{\"result\":[", &["labelstudio"]),
                (b"[]", &["coco", "sam", "labelstudio"]),
                // The record may name its image after what is at hand.
                (b"[{\"segmentation\":{\"size\":[1,2],\"counts\":[2", &["coco", "sam"]),
            ]);
        }
        for (bytes, expected) in cases {
            let found: Vec<_> = fits(bytes).into_iter().map(Format::name).collect();
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
            match (detect(bytes), expected) {
                (Ok((format, mut reader)), [name]) => {
                    let mut again = Vec::new();
                    reader.read_to_end(&mut again).unwrap();
                    assert_eq!((format.name(), again.as_slice()), (*name, bytes));
                }
                (Err(Error::UnknownFormat { fits, .. }), names) => assert_eq!(fits, names),
                (answer, _) => panic!("{}: {:?}", bytes.escape_ascii(), answer.map(|(format, _)| format)),
            }
        }
    }

    #[test]
    fn columns_that_the_caller_names_tell_a_table() {
        let header = |names: &str| ReadOptions::new().header(names.to_owned());
        let detect = |text: &str, options| detect_with(text.as_bytes(), &options).map(|(format, _)| format);
        for (text, names, expected) in [
            ("picture,runs_of\na,1 2\n", "picture,runs_of", Format::Kaggle),
            ("runs_of;x;picture\n1 2;;a\n", "picture,runs_of", Format::Kaggle),
            ("picture,runs_of\na,9 2 3 1\n", "picture,runs_of", Format::Siim),
            ("glom,pixels\n0,1 2\n", "picture,runs_of", Format::Hubmap),
        ] {
            assert_eq!(detect(text, header(names)).unwrap(), expected, "{text}");
        }
        for options in [ReadOptions::new(), header("picture,others"), header("picture")] {
            let error = detect("picture,runs_of\na,1 2\n", options).unwrap_err();
            assert_eq!(error.remedies(), [Remedy::NameFormat, Remedy::NameColumns], "{error}");
        }
        assert_eq!(detect("hello\n", header("picture,runs_of")).unwrap_err().remedies(), [Remedy::NameFormat]);
    }

    #[test]
    fn a_file_that_is_compressed_is_to_be_unpacked() {
        let error = detect(&b"\x1F\x8B\x08\0\0\0"[..]).unwrap_err();
        assert_eq!(error.to_string(), "expected a run file, found a file compressed with gzip");
        assert_eq!(error.remedies(), [Remedy::Unpack]);
    }

    #[test]
    fn a_long_file_is_told_by_its_beginning() {
        let text = ["id,rle\n", &"a,1 2 5 3\n".repeat(20_000)].concat();
        let (format, mut reader) = detect(text.as_bytes()).unwrap();
        let mut again = String::new();
        reader.read_to_string(&mut again).unwrap();
        assert!(format == Format::Kaggle && again == text);
    }
}
