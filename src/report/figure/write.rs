//! Figures as files.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use resvg::{tiny_skia, usvg};

use super::FigureError;
use super::text::usvg_options;
use crate::report::export::csv_line;

/// Something that can be drawn and listed.
pub trait Figure {
    /// The figure as SVG with live text in `DejaVu Sans`.
    ///
    /// # Errors
    /// [`FigureError::Unfit`] when the series cannot be drawn (no curve, a
    /// time of zero on a logarithmic axis, points out of order).
    fn svg(&self) -> Result<String, FigureError>;

    /// The drawn series as CSV, one row per drawn value, units in the column
    /// names.
    fn csv(&self) -> String;
}

/// The series of a figure as CSV.
pub fn series_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows = rows.into_iter().map(|row| csv_line(&row));
    std::iter::once(csv_line(header)).chain(rows).collect()
}

/// Device pixels per CSS pixel of the PNG.
const PNG_SCALE: f32 = 2.0;

/// Writes `stem.svg` (live text), `stem-outlined.svg` (text as paths, for
/// readers without the font), `stem.png` at two device pixels per CSS pixel
/// and `stem.csv` into `dir`, and returns their paths in that order.
///
/// Each file appears whole or not at all: it is written beside its place and
/// renamed.
///
/// # Errors
/// [`FigureError::Unfit`] when the figure cannot be drawn,
/// [`FigureError::Write`] when a file cannot be written (for instance because
/// `dir` does not exist).
pub fn write_figure(
    figure: &impl Figure,
    dir: &Path,
    stem: &str,
) -> Result<Vec<PathBuf>, FigureError> {
    let svg = figure.svg()?;
    let tree = parse(&svg)?;
    let files = [
        (format!("{stem}.svg"), svg.into_bytes()),
        (format!("{stem}-outlined.svg"), outlined(&tree).into_bytes()),
        (format!("{stem}.png"), png(&tree)?),
        (format!("{stem}.csv"), figure.csv().into_bytes()),
    ];
    let mut written = Vec::with_capacity(files.len());
    for (name, content) in files {
        let path = dir.join(name);
        write_whole(&path, &content)?;
        written.push(path);
    }
    Ok(written)
}

pub(super) fn parse(svg: &str) -> Result<usvg::Tree, FigureError> {
    usvg::Tree::from_str(svg, &usvg_options()).map_err(|e| FigureError::Convert(e.to_string()))
}

fn outlined(tree: &usvg::Tree) -> String {
    let options = usvg::WriteOptions {
        preserve_text: false,
        coordinates_precision: 2,
        ..usvg::WriteOptions::default()
    };
    tree.to_string(&options)
}

fn png(tree: &usvg::Tree) -> Result<Vec<u8>, FigureError> {
    let size = tree
        .size()
        .to_int_size()
        .scale_by(PNG_SCALE)
        .ok_or_else(|| FigureError::Convert("its size is zero".to_owned()))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| FigureError::Convert("its size is zero".to_owned()))?;
    let scale = tiny_skia::Transform::from_scale(PNG_SCALE, PNG_SCALE);
    resvg::render(tree, scale, &mut pixels.as_mut());
    pixels
        .encode_png()
        .map_err(|e| FigureError::Convert(e.to_string()))
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), FigureError> {
    let failed = |source| FigureError::Write {
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(".figure-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(failed)?;
    beside.write_all(content).map_err(failed)?;
    beside.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}
