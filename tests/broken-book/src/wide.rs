//! A line of 81 columns, and one of 80 in more bytes.

// ANCHOR: wide
const WIDE: &str = "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";
// ANCHOR_END: wide

// ANCHOR: fits
const FITS: &str = "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééé";
// ANCHOR_END: fits
