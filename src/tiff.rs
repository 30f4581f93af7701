//! What TIFF calls things: the numbers that its reader and its writer share.

/// Numbers of the fields of a directory.
pub(crate) mod tag {
    pub(crate) const SUBFILE_TYPE: u16 = 254;
    pub(crate) const WIDTH: u16 = 256;
    pub(crate) const HEIGHT: u16 = 257;
    pub(crate) const BITS: u16 = 258;
    pub(crate) const COMPRESSION: u16 = 259;
    pub(crate) const PHOTOMETRIC: u16 = 262;
    pub(crate) const FILL_ORDER: u16 = 266;
    pub(crate) const DESCRIPTION: u16 = 270;
    pub(crate) const STRIP_OFFSETS: u16 = 273;
    pub(crate) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(crate) const ROWS_PER_STRIP: u16 = 278;
    pub(crate) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(crate) const X_RESOLUTION: u16 = 282;
    pub(crate) const Y_RESOLUTION: u16 = 283;
    pub(crate) const RESOLUTION_UNIT: u16 = 296;
    pub(crate) const SOFTWARE: u16 = 305;
    pub(crate) const PREDICTOR: u16 = 317;
    pub(crate) const TILE_WIDTH: u16 = 322;
    pub(crate) const TILE_HEIGHT: u16 = 323;
    pub(crate) const TILE_OFFSETS: u16 = 324;
    pub(crate) const TILE_BYTE_COUNTS: u16 = 325;
    pub(crate) const SUB_DIRECTORIES: u16 = 330;
    pub(crate) const SAMPLE_FORMAT: u16 = 339;
}

/// Types of the values of a field.
pub(crate) mod kind {
    pub(crate) const ASCII: u16 = 2;
    pub(crate) const SHORT: u16 = 3;
    pub(crate) const LONG: u16 = 4;
    pub(crate) const LONG8: u16 = 16;
}

/// Values of [`tag::COMPRESSION`].
pub(crate) mod compression {
    /// Deflate as Adobe numbers it.
    pub(crate) const DEFLATE: u16 = 8;
    pub(crate) const ZSTD: u16 = 50000;
}

/// Value of [`tag::SUBFILE_TYPE`]: a smaller copy of another page.
pub(crate) const REDUCED: u32 = 1;

/// Value of [`tag::PHOTOMETRIC`]: grey, 0 is black.
pub(crate) const BLACK_IS_ZERO: u16 = 1;

/// Value of [`tag::SAMPLE_FORMAT`]: integers without a sign.
pub(crate) const UNSIGNED: u16 = 1;
