//! Masks that are written row by row.

use std::io::Write;
use std::path::Path;

use runmask::{Dtype, Error, Result, Shape};

use crate::output::Output;

/// A mask file under way.
pub(crate) struct MaskOutput {
    output: Output,
    name: std::path::PathBuf,
}

impl MaskOutput {
    pub(crate) fn create(path: &Path, shape: Shape, dtype: Dtype) -> Result<Self> {
        let mut output = Output::create(path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => {
                let size = dtype.bytes();
                let kind = if size == 1 { "|u1".into() } else { format!("<u{size}") };
                let mut header = format!(
                    "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}, {}), }}",
                    shape.height, shape.width
                );
                while (header.len() + 11) % 64 != 0 {
                    header.push(' ');
                }
                header.push('\n');
                let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
                bytes.extend((header.len() as u16).to_le_bytes());
                bytes.extend(header.as_bytes());
                output.write_all(&bytes).map_err(|error| Error::io("writing", path, error))?;
            }
            Some("raw" | "bin") => {}
            _ => {
                return Err(Error::Unsupported(format!("{}: masks are written as .npy, .raw or .bin", path.display())));
            }
        }
        Ok(Self { output, name: path.to_path_buf() })
    }

    pub(crate) fn write_rows(&mut self, rows: &[u8]) -> Result<()> {
        self.output.write_all(rows).map_err(|error| Error::io("writing", &self.name, error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.output.commit()
    }
}
