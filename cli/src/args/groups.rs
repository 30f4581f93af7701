//! Groups of arguments that several commands share.

use std::path::PathBuf;

use clap::Args;
use runmask::format::{CocoForm, Compat, Format, JsonCounts, LargeCounts, ObjectType};
use runmask::sink::{Compression, CreateOptions, MaskFormat, OmeVersion};
use runmask::{Dtype, Engine, FillRule, ScanOrder};

use super::operations::{PixelSizeArg, Properties, properties_parser};
use super::values::*;

/// How masks are encoded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Encoding")]
pub(crate) struct EncoderArgs {
    /// What finds the runs: the CPU (simd, or scalar, the slow reference) or the GPU; auto is simd. An engine that is
    /// named is never replaced by another
    #[arg(long, value_parser = choice!(Engine), default_value = "auto")]
    pub(crate) engine: Engine,
    /// The order in which the file numbers pixels, where its format leaves that open
    #[arg(long, value_parser = order_parser(), default_value = "column")]
    pub(crate) order: ScanOrder,
    /// The label that is the background and gets no runs, or `none`
    #[arg(long, value_name = "N|none", default_value = "0")]
    pub(crate) background: Background,
    /// The memory that the program may use, for instance 500M or 2G; a mask that needs more is an error [default: 200M
    /// plus 32 times the size of the mask's file]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<u64>,
}

/// Which mask of a file.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading masks")]
pub(crate) struct MaskArgs {
    /// The page of a TIFF file, from 0 [default: 0, with a warning if several pages are masks]
    #[arg(long, value_name = "N")]
    pub(crate) page: Option<u32>,
    /// The level of a pyramid; 0 is the full size
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) level: u32,
    /// OME-Zarr: the label to read [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Option<String>,
    /// Zarr: the plane of an array of more than two axes, for instance t=0,c=1; an axis without a name goes by its number
    #[arg(long, value_name = "AXIS=N,...", value_delimiter = ',', value_parser = index)]
    pub(crate) index: Vec<(String, u64)>,
}

/// The layout of a mask without a header.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading masks")]
pub(crate) struct RawArgs {
    /// Read the file as raw labels of this type, little endian, without a header
    #[arg(long, value_parser = choice!(Dtype), requires_all = ["height", "width"])]
    pub(crate) dtype: Option<Dtype>,
    /// Number of rows of a raw mask
    #[arg(long, value_name = "PIXELS", requires = "dtype")]
    pub(crate) height: Option<u32>,
    /// Number of columns of a raw mask
    #[arg(long, value_name = "PIXELS", requires = "dtype")]
    pub(crate) width: Option<u32>,
}

/// The size of a mask whose run file does not say.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Size of the mask, if the run file does not store it")]
pub(crate) struct ShapeArgs {
    /// Number of rows of the mask
    #[arg(long, value_name = "PIXELS", requires = "width")]
    pub(crate) height: Option<u32>,
    /// Number of columns of the mask
    #[arg(long, value_name = "PIXELS", requires = "height")]
    pub(crate) width: Option<u32>,
    /// Take height and width from this mask or image
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["height", "width"])]
    pub(crate) like: Option<PathBuf>,
}

/// How a run file is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading run files")]
pub(crate) struct ReadArgs {
    /// The format of the run file [default: detected from its content]
    #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// The order in which the file numbers pixels, where its format leaves that open [default: column]
    #[arg(long, value_parser = order_parser())]
    pub(crate) order: Option<ScanOrder>,
    /// kaggle: the number of the first pixel [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) base: Option<u64>,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
}

/// What to take from a run file of many images and objects.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading run files")]
pub(crate) struct ManyArgs {
    /// Read only the image with this id from a file of many images
    #[arg(long, value_name = "ID")]
    pub(crate) image: Option<String>,
    /// Number the objects 1, 2, 3 ... in the order of the file instead of using their own numbers
    #[arg(long)]
    pub(crate) renumber: bool,
    /// JSON: skip annotations and features that have no mask, such as boxes and points
    #[arg(long)]
    pub(crate) skip_other_shapes: bool,
    /// CSV: ignore unknown columns
    #[arg(long)]
    pub(crate) ignore_columns: bool,
    /// CSV: the names of the columns of images and runs, for a header that is not known
    #[arg(long, value_name = "IMAGE,RUNS")]
    pub(crate) columns: Option<String>,
    /// geojson, coco: which pixels are inside a polygon, those whose centres are or those of pycocotools [default: for coco
    /// coco, otherwise centre]
    #[arg(long, value_name = "RULE", value_parser = choice!(FillRule))]
    pub(crate) fill_rule: Option<FillRule>,
    /// geojson: the property of features that holds their labels [default: metadata.label, otherwise their place]
    #[arg(long, value_name = "NAME")]
    pub(crate) label_property: Option<String>,
}

/// How a run file is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing run files")]
pub(crate) struct WriteArgs {
    /// The format of the run file [default: selected by the extension, otherwise hubmap]
    #[arg(short, long, value_name = "FORMAT", value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// hubmap: write rows for the labels 1 to N [default: up to the largest label]. The glom column is the label minus 1
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u64>,
    /// hubmap: reproduce the defects of another program. notebook is Method 1 of the original notebook, which drops the
    /// first pixel of a run that touches another label, and a run that ends at the last pixel of the mask
    #[arg(long, value_parser = choice!(Compat), value_name = "PROGRAM")]
    pub(crate) compat: Option<Compat>,
    /// End lines with CR LF, as Python's csv module does
    #[arg(long)]
    pub(crate) crlf: bool,
    /// kaggle: the number of the first pixel [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) base: Option<u64>,
    /// kaggle, siim, oid: the header of the CSV file. kaggle knows id,rle (the default), ImageId,EncodedPixels,
    /// id,encoding, id,predicted, id,annotation and img,rle_mask, and writes any two names; docs/FORMATS.md lists all
    /// headers
    #[arg(long, value_name = "TEXT")]
    pub(crate) header: Option<String>,
    /// The id of the image, in formats that name images [default: the name of the mask's file without its extension]
    #[arg(long, value_name = "ID")]
    pub(crate) image_id: Option<String>,
    /// kaggle, siim: write all objects of an image as one row
    #[arg(long)]
    pub(crate) union: bool,
    /// Leave out labels without runs where the format cannot store them
    #[arg(long)]
    pub(crate) drop_empty_labels: bool,
    /// How to write counts above 2^32 - 1, which other programs cannot read: refuse them with an error, split them into
    /// parts with counts of 0 between, or keep them
    #[arg(long, value_parser = choice!(LargeCounts), default_value = "refuse")]
    pub(crate) large_counts: LargeCounts,
    /// coco: write a dataset (images, annotations, categories) or results (a list of annotations)
    #[arg(long, value_parser = choice!(CocoForm), default_value = "dataset")]
    pub(crate) coco_form: CocoForm,
    /// coco, sam: write counts as compressed text or as a list of numbers
    #[arg(long, value_parser = choice!(JsonCounts), default_value = "compressed")]
    pub(crate) counts: JsonCounts,
    /// coco: the category of a label; may be given several times
    #[arg(long, value_name = "LABEL=CATEGORY", value_parser = pair::<u64>)]
    pub(crate) category_of: Vec<(u64, u64)>,
    /// The name of the category of every object; coco: NUMBER=NAME names one category and may be given several times
    #[arg(long, value_name = "[NUMBER=]NAME")]
    pub(crate) category: Vec<Category>,
    /// coco, cvat, labelstudio: the name of the image file [default: the name of the mask's file]
    #[arg(long, value_name = "NAME")]
    pub(crate) file_name: Option<String>,
    /// labelstudio: the URL of the image; one that ends in / or = is followed by the name of the image file [default: the
    /// path under which Label Studio serves local files]
    #[arg(long, value_name = "URL")]
    pub(crate) image_url: Option<String>,
    /// geojson: the class of all objects, with its colour if QuPath's reader is not to get one made from the name
    #[arg(long, value_name = "NAME[=R,G,B]", value_parser = class)]
    pub(crate) class: Option<Class>,
    /// geojson: what objects are to QuPath [default: detections from 10,000 on, otherwise annotations]
    #[arg(long, value_name = "TYPE", value_parser = choice!(ObjectType))]
    pub(crate) object_type: Option<ObjectType>,
    /// geojson: leave out points of outlines, none of them further than this from the outline; says what that does to areas
    #[arg(long, value_name = "PIXELS")]
    pub(crate) simplify: Option<f64>,
    /// geojson: measure objects, and write this as measurements; `all` is all
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = properties_parser())]
    pub(crate) measure: Vec<Properties>,
}

/// How a file is read that may be a mask or a run file.
#[derive(Debug, Clone, Args)]
pub(crate) struct EitherArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) mask: MaskArgs,
    /// Read a mask file without a header as labels of this type
    #[arg(long, value_parser = choice!(Dtype), requires_all = ["height", "width"], help_heading = "Reading masks")]
    pub(crate) dtype: Option<Dtype>,
    /// The label of a mask that is the background and gets no runs, or `none`
    #[arg(long, value_name = "N|none", default_value = "0", help_heading = "Reading masks")]
    pub(crate) background: Background,
    /// The memory that the program may use for a mask, for instance 500M or 2G; a mask that needs more is an error
    /// [default: 200M plus 32 times the size of the mask's file]
    #[arg(long, value_name = "SIZE", value_parser = memory, help_heading = "Reading masks")]
    pub(crate) memory: Option<u64>,
    #[command(flatten)]
    pub(crate) shape: ShapeArgs,
}

/// How a mask file is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Writing masks")]
pub(crate) struct MaskOutputArgs {
    /// The format of the mask file [default: selected by the extension]
    #[arg(long, value_parser = choice!(MaskFormat), value_name = "FORMAT")]
    pub(crate) mask_format: Option<MaskFormat>,
    /// TIFF: how tiles are compressed; deflate is read by every program, zstd is faster and smaller
    #[arg(long, value_parser = choice!(Compression), value_name = "METHOD", default_value = "deflate")]
    pub(crate) compression: Compression,
    /// TIFF: also write the mask at half the size, a quarter and so on, for viewers; an OME-Zarr store always has them
    #[arg(long)]
    pub(crate) pyramid: bool,
    /// Zarr: the version of OME-Zarr of a new store [default: 0.5]
    #[arg(long, value_name = "VERSION", value_parser = choice!(OmeVersion))]
    pub(crate) ome: Option<OmeVersion>,
    /// Zarr: put 8 x 8 chunks into each file
    #[arg(long)]
    pub(crate) shards: bool,
    /// Zarr: replace a label or array that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Zarr: side of a pixel in micrometres, or height,width [default: that of the image, or of a store given with --like]
    #[arg(long, value_name = "UM")]
    pub(crate) pixel_size: Option<PixelSizeArg>,
}

/// The content of a synthetic mask.
#[derive(Debug, Clone, Args)]
pub(crate) struct Looks {
    /// Number of labels [default: as dense as in real slides]
    #[arg(long, value_name = "N")]
    pub(crate) labels: Option<u64>,
    /// The seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The type of the labels [default: u16 for glomeruli, u32 for cells, u8 for noise]
    #[arg(long, value_parser = choice!(Dtype))]
    pub(crate) dtype: Option<Dtype>,
}

impl MaskOutputArgs {
    /// How to write a mask in so much memory.
    pub(crate) fn options(&self, memory: Option<u64>) -> CreateOptions {
        let options = CreateOptions::new()
            .format(self.mask_format)
            .compression(self.compression)
            .pyramid(self.pyramid)
            .ome_version(self.ome)
            .shards(self.shards)
            .overwrite(self.overwrite)
            .pixel_size(self.pixel_size.and_then(|size| size.0));
        memory.map_or(options.clone(), |memory| options.memory(memory))
    }
}
