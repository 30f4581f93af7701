//! `measure`: a table with a row for each label.

use std::path::Path;

use runmask::{Error, MeasureOptions, Measures, Result};

use crate::args::{Measure, Properties, TableFormat};
use crate::console::Console;
use crate::exit::Status;
use crate::input::Labels;
use crate::output::Output;
use crate::paths::{is_stream, named, one_stdin, refuse_inputs};

pub(crate) fn run(args: &Measure, console: &Console) -> Result<Status> {
    let inputs = || args.either.shape.like.iter().chain([&args.file]).map(AsRef::as_ref);
    one_stdin(inputs())?;
    refuse_inputs(&args.output, inputs())?;
    let format = TableFormat::of(args.table_format, &args.output)?;
    let shape = args.either.shape.shape()?;
    let labels = Labels::read(&args.file, args.either.read.format, &args.either, shape, &|| Ok(None), console)?;
    let pixel_size = match args.pixel_size {
        Some(size) => size.0,
        None => args.either.pixel_size(&args.file)?,
    };
    let options = MeasureOptions::new()
        .properties(Properties::list(&args.properties))
        .pixel_size(pixel_size)
        .connectivity(args.connectivity);
    let table = labels.measure(&options).map_err(|error| named(error, &args.file))?;
    let mut output = Output::create(&args.output)?;
    format.write(&table, &mut output).map_err(|error| output.blame(error, &args.file))?;
    output.commit()?;
    Ok(Status::Done)
}

impl TableFormat {
    /// The format asked for, or the one that the name of the table says.
    pub(super) fn of(asked: Option<Self>, path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        let format = match (asked, extension.as_deref()) {
            (Some(format), _) => format,
            (None, Some("csv")) => Self::Csv,
            (None, Some("json")) => Self::Json,
            (None, Some("parquet")) => Self::Parquet,
            (None, None) => Self::Csv,
            (None, Some(_)) if is_stream(path) => Self::Csv,
            (None, Some(_)) => {
                let message = "a table ends in .csv, .json or .parquet; --table-format names another".to_owned();
                return Err(Error::Argument(message).in_file(path));
            }
        };
        if format == Self::Parquet && cfg!(not(feature = "parquet")) {
            return Err(no_parquet());
        }
        Ok(format)
    }

    fn write(self, table: &Measures, output: &mut Output) -> Result<()> {
        match self {
            Self::Csv => table.write_csv(output),
            Self::Json => table.write_json(output),
            #[cfg(feature = "parquet")]
            Self::Parquet => table.write_parquet(output),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => Err(no_parquet()),
        }
    }
}

fn no_parquet() -> Error {
    Error::Unsupported(
        "this build of the program writes no parquet: build it with `--features parquet`, or write csv or json".into(),
    )
}
