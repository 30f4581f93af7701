//! Zarr arrays and the labels of OME-Zarr stores, from a folder or a zip file.
//!
//! Gets a store; gives a [chunked](super::chunked) source of one plane of one array. Zarr versions 2 and 3 and OME-Zarr 0.4
//! and 0.5 come to the same: see [`node`] for the way to the array, [`metadata`] for what it says of itself, [`chunk`] for
//! its chunks. A chunk that is not stored has the fill label and costs nothing.
//!
//! Nothing in a store is believed before it is checked: names stay inside the store, sizes are held against the memory that
//! the caller allows and against the bytes that are there.

use std::path::Path;

use self::chunk::{ArrayChunks, shape_of};
pub(crate) use self::codec::checksum;
use self::store::Store;
use super::chunked::ChunkedSource;
use super::formats::{FileFormat, Opened};
use super::random_access::RandomAccess;
use super::{LevelInfo, OpenOptions, PageInfo};
use crate::error::Result;
use crate::runs::PixelSize;

mod blosc;
mod chunk;
mod codec;
mod metadata;
pub(crate) mod node;
mod store;

/// How stores in a file are told and opened.
pub(super) const FORMAT: FileFormat = FileFormat {
    name: "zipped Zarr",
    matches: |start| start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06"),
    open: |file, options| open(Store::zip(file)?, options),
    open_stream: None,
    // The file is opened anew, because a store keeps it.
    pages: Some(|file| pages(&Store::zip(file.again()?)?)),
    has_labels: true,
    pixel_size: Some(pixel_size),
};

/// Opens a store in a folder; no pixel is read yet.
pub(super) fn open_folder(folder: &Path, options: &OpenOptions) -> Opened {
    open(Store::Folder(folder.to_path_buf()), options)
}

fn open(store: Store, options: &OpenOptions) -> Opened {
    let node::Found { key, array, plane, .. } = node::find(&store, options)?;
    let (pool, memory) = options.decoding()?;
    let chunks = ArrayChunks::new(store, key, array, plane, options.memory)?;
    Ok(Box::new(ChunkedSource::new(chunks, pool, memory)))
}

/// The labels of a store in a folder, with their levels.
pub(super) fn folder_pages(folder: &Path) -> Result<Vec<PageInfo>> {
    pages(&Store::Folder(folder.to_path_buf()))
}

fn pages(store: &Store) -> Result<Vec<PageInfo>> {
    let page = |(label, number): (node::Label, u32)| {
        let level = |key: &String| match node::array(store, key) {
            Ok(array) => LevelInfo { shape: shape_of(&array).ok(), dtype: Some(array.samples.dtype()) },
            Err(_) => LevelInfo { shape: None, dtype: None },
        };
        PageInfo { number, levels: label.levels.iter().map(level).collect(), name: label.name }
    };
    Ok(node::labels(store)?.into_iter().zip(0..).map(page).collect())
}

/// The size of a pixel of the mask in a zipped store that the options ask for.
fn pixel_size(file: &RandomAccess, options: &OpenOptions) -> Result<Option<PixelSize>> {
    Ok(node::find(&Store::zip(file.again()?)?, options)?.pixel_size)
}

/// The size of a pixel of the mask in a folder that the options ask for.
pub(super) fn folder_pixel_size(path: &Path, options: &OpenOptions) -> Result<Option<PixelSize>> {
    Ok(node::find(&Store::Folder(path.to_path_buf()), options)?.pixel_size)
}
