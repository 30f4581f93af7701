//! Small files of every format, for fuzz targets to begin with: `seeds FOLDER` writes them to `FOLDER/TARGET/`.

use std::error::Error;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use runmask::format::{self, CocoForm, Format, JsonCounts, LineEnding, WriteOptions};
use runmask::sink::{self, Compression, CreateOptions, MaskFormat};
use runmask::{Decoder, Dtype, LabelMask, LabelRuns, Shape};

/// Masks of some discs, of 40 x 50 pixels, which some readers expect, and of few.
fn masks() -> Result<Vec<LabelRuns>, runmask::Error> {
    let draw = |height: u32, width: u32, grid: u32| {
        let label = |row: u32, column: u32| {
            let (down, right) = ((row % grid).abs_diff(grid / 2), (column % grid).abs_diff(grid / 2));
            let inside = down * down + right * right <= grid * grid / 5;
            if inside { u64::from(row / grid * 3 + column / grid) + 1 } else { 0 }
        };
        let pixels: Vec<u64> =
            (0..height).flat_map(|row| (0..width).map(move |column| (row, column))).map(|(r, c)| label(r, c)).collect();
        runmask::encode(&LabelMask::new(&pixels, Shape { height, width })?)?
            .relabel_sequential()
            .0
            .to_order(Default::default())
    };
    Ok(vec![draw(40, 50, 20)?, draw(7, 9, 4)?, draw(1, 1, 9)?])
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("expected the folder of the corpora")?;
    let put = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    for (number, runs) in masks()?.iter().enumerate() {
        for (place, &format) in Format::ALL.iter().enumerate() {
            let options = WriteOptions::new().renumber(true);
            let mut ways = vec![options.clone()];
            match format.name() {
                "coco" => {
                    let coco = options.categories([(1, "object".to_owned())]);
                    ways = vec![
                        coco.clone(),
                        coco.clone().coco_form(CocoForm::Results),
                        coco.clone().counts(JsonCounts::Numbers),
                        coco.counts(JsonCounts::Polygons),
                    ];
                }
                _ if !format.headers().is_empty() => ways.push(options.line_ending(LineEnding::Crlf)),
                _ => {}
            }
            for (way, options) in ways.iter().enumerate() {
                let mut bytes = Vec::new();
                if let Err(error) = format::write(format, &mut bytes, runs, options) {
                    eprintln!("{format}: {error}");
                    continue;
                }
                let name = format!("{format}-{number}-{way}");
                put(&format!("read_{format}"), &name, &bytes)?;
                put("doctor", &name, &bytes)?;
                // The first bytes choose the formats.
                put("convert", &name, &[&[place as u8, (place + way + number) as u8], &bytes[..]].concat())?;
            }
        }
        let shape = runs.shape().ok_or("a mask has a shape")?;
        for (format, target, skip) in
            [(MaskFormat::Tiff, "read_tiff", 0), (MaskFormat::Png, "read_png", 8), (MaskFormat::Npy, "read_npy", 6)]
        {
            for dtype in [Dtype::U8, Dtype::U16] {
                for compression in Compression::ALL {
                    let options = CreateOptions::new().compression(*compression).pyramid(number == 0);
                    let mut file = Cursor::new(Vec::new());
                    let mut sink = sink::to_writer(&mut file, format, shape, dtype, &options)?;
                    Decoder::new(runs, 0)?.decode_row_bytes(dtype, &mut |rows| sink.write_rows(rows))?;
                    sink.finish()?;
                    // The targets put the first bytes of PNG and NPY before what they are given.
                    put(target, &format!("{number}-{dtype}-{compression}"), &file.get_ref()[skip..])?;
                }
            }
        }
    }
    let array = r#"{"zarr_format":3,"node_type":"array","shape":[8,8],"data_type":"uint8","fill_value":0,"chunk_grid":{"name":"regular","configuration":{"chunk_shape":[8,8]}},"chunk_key_encoding":{"name":"default"},"codecs":[{"name":"bytes","configuration":{"endian":"little"}}]}"#;
    let image = r#"{"zarr_format":3,"node_type":"group","attributes":{"ome":{"version":"0.5","labels":["a"],"multiscales":[{"axes":[{"name":"y","type":"space","unit":"micrometer"},{"name":"x","type":"space","unit":"micrometer"}],"datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[0.5,0.5]}]}]}]}}}"#;
    let old = r#"{"zarr_format":2,"shape":[8,8],"chunks":[8,8],"dtype":"<u2","fill_value":0,"order":"C","filters":null,"compressor":{"id":"zlib","level":1}}"#;
    let old_image = r#"{"multiscales":[{"version":"0.4","axes":[{"name":"y","type":"space"},{"name":"x","type":"space"}],"datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[1,1]}]}]}]}"#;
    put("zarr_metadata", "array", format!("\0{array}\0\0").as_bytes())?;
    put("zarr_metadata", "image", format!("\0{image}\0{array}\0{image}").as_bytes())?;
    put("zarr_metadata", "old", format!("\x01{old}\0\0").as_bytes())?;
    put("zarr_metadata", "old-image", format!("\x01\0{old_image}\0{old}").as_bytes())?;
    for (name, head) in
        [("plain", [0, 0, 0x77]), ("zstd", [4, 0, 0x77]), ("gzip", [8, 0, 0x77]), ("shard", [0, 8, 0x33])]
    {
        put("zarr_chunk", name, &[&head[..], &[1; 64]].concat())?;
    }
    Ok(())
}
