//! What a mark says: a drawn value in words, for whoever points at it and for the table beside the figure.

/// A drawn value in words; what it has not is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Where it is drawn: left, top, right and bottom, in pixels of the figure.
    pub(super) place: [f64; 4],
    /// Title of its panel, or heading of its group.
    pub panel: String,
    /// Its series.
    pub series: String,
    /// Where on the horizontal axis, or in which row.
    pub at: String,
    /// The value with its unit.
    pub value: String,
    /// The ends of its interval.
    pub interval: String,
    /// Samples behind it.
    pub samples: String,
    /// Verdict, and whether it is struck out or to be read with care.
    pub remark: String,
}

impl Told {
    /// Where it is drawn: left, top, width and height, in pixels of the figure.
    pub fn place(&self) -> [f64; 4] {
        let [left, top, right, bottom] = self.place;
        [left, top, right - left, bottom - top]
    }
}
