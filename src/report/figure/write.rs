//! Figures as files.

use std::path::{Path, PathBuf};

use resvg::{tiny_skia, usvg};
use svg2pdf::{ConversionOptions, PageOptions};

use super::look::Look;
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
    fn drawn(&self, look: Look) -> Result<Drawn, FigureError>;

    /// The same for the screen, as SVG.
    ///
    /// # Errors
    /// As of [`Figure::drawn`].
    fn svg(&self) -> Result<String, FigureError> {
        Ok(self.drawn(Look::Screen)?.file())
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

/// Writes `stem.svg` (live text), `stem-outlined.svg` (text as paths, for readers without the font), `stem.png`,
/// `stem.pdf` (fonts embedded) into `dir`; for the screen also `stem.csv` and `stem.txt` (the caption), which are the
/// same for every look. Returns their paths in that order. What is not for the screen has the look's suffix to its stem.
///
/// Each file appears whole or not at all.
///
/// # Errors
/// [`FigureError::Unfit`] when the figure cannot be drawn,
/// [`FigureError::Write`] when a file cannot be written.
pub fn write_figure(
    figure: &dyn Figure,
    look: Look,
    dir: &Path,
    stem: &str,
) -> Result<Vec<PathBuf>, FigureError> {
    let svg = figure.drawn(look)?.file();
    let unreadable = |e: usvg::Error| FigureError::Convert(e.to_string());
    let tree = usvg::Tree::from_str(&svg, &usvg_options()).map_err(unreadable)?;
    let mut files = vec![
        (".svg", svg.into_bytes()),
        ("-outlined.svg", outlined(&tree).into_bytes()),
        (".png", png(&tree, look)?),
        (".pdf", pdf(&tree, look)?),
    ];
    if look == Look::Screen {
        files.push((".csv", figure.csv().into_bytes()));
        let caption = figure.caption().join("\n") + "\n";
        files.push((".txt", caption.into_bytes()));
    }
    let suffix = look.suffix();
    let write = |(end, content): (&str, Vec<u8>)| {
        let path = dir.join(format!("{stem}{suffix}{end}"));
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
fn pdf(tree: &usvg::Tree, look: Look) -> Result<Vec<u8>, FigureError> {
    let conversion = ConversionOptions::default();
    let dpi = look.pdf_pixels_per_inch();
    let page = PageOptions { dpi };
    let pdf = svg2pdf::to_pdf(tree, conversion, page);
    pdf.map(|pdf| in_order(&pdf))
        .map_err(|e| FigureError::Convert(e.to_string()))
}

/// svg2pdf writes the entries of a dictionary of resources in the order of a hash map, another one each time. Sorted,
/// a dictionary is the same and as long as before, so that every offset holds.
fn in_order(pdf: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = pdf.split_inclusive(|byte| *byte == b'\n').collect();
    let entries = lines.chunk_by_mut(|a, b| is_entry(a) && is_entry(b));
    entries.for_each(<[&[u8]]>::sort_unstable);
    lines.concat()
}

/// `/xo8 24 0 R`.
fn is_entry(line: &[u8]) -> bool {
    let words = str::from_utf8(line).unwrap_or_default().trim();
    let mut words = words.split(' ');
    let name = words.next().and_then(|word| word.strip_prefix('/'));
    name.is_some_and(|name| name.chars().all(char::is_alphanumeric))
        && words.next().is_some_and(|n| n.parse::<u32>().is_ok())
        && words.eq(["0", "R"])
}

fn png(tree: &usvg::Tree, look: Look) -> Result<Vec<u8>, FigureError> {
    let scale = look.png_scale();
    let size = tree.size().to_int_size().scale_by(scale);
    let pixels = size.and_then(|size| tiny_skia::Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| FigureError::Convert("its size is zero".to_owned()))?;
    let scale = tiny_skia::Transform::from_scale(scale, scale);
    resvg::render(tree, scale, &mut pixels.as_mut());
    let encoded = pixels.encode_png();
    encoded.map_err(|e| FigureError::Convert(e.to_string()))
}
