//! Figures as files.

use std::path::{Path, PathBuf};

use resvg::{tiny_skia, usvg};
use svg2pdf::{ConversionOptions, PageOptions};

use super::svg::Drawn;
use super::text::usvg_options;
use crate::record::{RunFileError, write_atomically};
use crate::report::export::csv_line;

/// Failure to draw or to write a figure.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The series cannot be drawn on this figure's axes.
    #[error("figure `{title}` cannot be drawn: {reason}")]
    Unfit {
        /// Title of the figure.
        title: String,
        /// What is wrong with which series.
        reason: String,
    },
    /// The drawn SVG could not be read back for conversion.
    #[error("the drawn SVG cannot be converted: {0}")]
    Convert(String),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] RunFileError),
}

/// Something that can be drawn and listed.
pub trait Figure {
    /// The figure, with live text in `DejaVu Sans`, and what its marks say.
    ///
    /// # Errors
    /// [`FigureError::Unfit`] when the series cannot be drawn (no curve, a
    /// time of zero on a logarithmic axis, points out of order).
    fn drawn(&self) -> Result<Drawn, FigureError>;

    /// The figure as SVG.
    ///
    /// # Errors
    /// As for [`drawn`](Self::drawn).
    fn svg(&self) -> Result<String, FigureError> {
        Ok(self.drawn()?.file())
    }

    /// What stands under it in print: title, reasons of its signs, samples, origin; one sentence or list per line.
    fn caption(&self) -> Vec<String>;

    /// The drawn series as CSV, one row per drawn value, units in the column
    /// names.
    fn csv(&self) -> String;
}

/// The series of a figure as CSV; rows are filled up to the length of the header.
pub(super) fn series_table(header: &str, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let columns = header.split(',').count();
    let lines = rows.into_iter().map(|mut row| {
        row.resize(columns, String::new());
        csv_line(&row)
    });
    format!("{header}\n{}", lines.collect::<String>())
}

/// Device pixels per CSS pixel of the PNG.
const PNG_SCALE: f32 = 2.0;

/// Writes `stem.svg` (live text), `stem-outlined.svg` (text as paths, for
/// readers without the font), `stem.png` at two device pixels per CSS pixel,
/// `stem.pdf` (fonts embedded), `stem.csv` and `stem.txt` (the caption) into `dir`, and returns their paths in that order.
///
/// Each file appears whole or not at all.
///
/// # Errors
/// [`FigureError::Unfit`] when the figure cannot be drawn,
/// [`FigureError::Write`] when a file cannot be written.
pub fn write_figure(
    figure: &dyn Figure,
    dir: &Path,
    stem: &str,
) -> Result<Vec<PathBuf>, FigureError> {
    let svg = figure.svg()?;
    let unreadable = |e: usvg::Error| FigureError::Convert(e.to_string());
    let tree = usvg::Tree::from_str(&svg, &usvg_options()).map_err(unreadable)?;
    let files = [
        (".svg", svg.into_bytes()),
        ("-outlined.svg", outlined(&tree).into_bytes()),
        (".png", png(&tree)?),
        (".pdf", pdf(&tree)?),
        (".csv", figure.csv().into_bytes()),
        (".txt", (figure.caption().join("\n") + "\n").into_bytes()),
    ];
    let write = |(end, content): (&str, Vec<u8>)| {
        let path = dir.join(format!("{stem}{end}"));
        write_atomically(&path, &content)?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

fn outlined(tree: &usvg::Tree) -> String {
    let options = usvg::WriteOptions {
        preserve_text: false,
        coordinates_precision: 2,
        ..usvg::WriteOptions::default()
    };
    tree.to_string(&options)
}

/// One page of the figure's size, with the parts of the font that it uses.
fn pdf(tree: &usvg::Tree) -> Result<Vec<u8>, FigureError> {
    let (conversion, page) = (ConversionOptions::default(), PageOptions::default());
    svg2pdf::to_pdf(tree, conversion, page).map_err(|e| FigureError::Convert(e.to_string()))
}

fn png(tree: &usvg::Tree) -> Result<Vec<u8>, FigureError> {
    let size = tree.size().to_int_size().scale_by(PNG_SCALE);
    let pixels = size.and_then(|size| tiny_skia::Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| FigureError::Convert("its size is zero".to_owned()))?;
    let scale = tiny_skia::Transform::from_scale(PNG_SCALE, PNG_SCALE);
    resvg::render(tree, scale, &mut pixels.as_mut());
    let encoded = pixels.encode_png();
    encoded.map_err(|e| FigureError::Convert(e.to_string()))
}
