//! Many masks in one job: one encoder, one bad file does not stop the others, every output is whole or absent.
//!
//! ```sh
//! cargo run --release --example batch -- masks/*.tif
//! ```
//! The runs of `slide.tif` go to `slide.csv` beside it.

use std::path::Path;
use std::process::ExitCode;

use runmask::format::{self, Format, WriteOptions};
use runmask::output::AtomicFile;
use runmask::source::{self, OpenOptions};
use runmask::{Encoder, Result};

fn encode(encoder: &Encoder, path: &Path) -> Result<usize> {
    let mut source = source::open(path, &OpenOptions::default())?;
    let runs = encoder.encode_source(&mut *source)?;
    let target = path.with_extension("csv");
    let mut file = AtomicFile::create(&target)?;
    format::write(Format::Hubmap, &mut file, &runs, &WriteOptions::default())?;
    file.finish()?;
    Ok(runs.run_count())
}

fn main() -> ExitCode {
    let encoder = match Encoder::builder().memory(8 << 30).build() {
        Ok(encoder) => encoder,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        match encode(&encoder, path) {
            Ok(runs) => println!("{}: {runs} runs", path.display()),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error}", path.display());
            }
        }
    }
    if failed > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
