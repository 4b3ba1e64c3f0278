//! What the rows of a figure show: it decides their axis, their marks and their room.

use crate::stats::Unit;

/// What the rows show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RowForm {
    /// Differences of this unit, with their intervals and verdicts. Those of times are on an axis that is linear
    /// around zero and logarithmic outside, so that a model's 100 ns and a server's 500 µs can share it.
    Differences(Unit),
    /// A few percentiles with their intervals on a logarithmic axis; two groups with the same rows are columns.
    Percentiles,
    /// Times that add up, stacked from zero.
    #[default]
    Stacks,
    /// Numbers per second with their intervals on a logarithmic axis.
    Rates,
    /// Numbers that add up, stacked from zero; the first of them is what it is about.
    Counts,
}

impl RowForm {
    /// From one mark of a row to the next.
    pub(super) fn lane(self) -> f64 {
        match self {
            RowForm::Differences(_) => 15.0,
            RowForm::Percentiles => 6.5,
            RowForm::Stacks | RowForm::Counts | RowForm::Rates => 0.0,
        }
    }

    /// Height of a row, and the air under it.
    pub(super) fn row_height(self, marks: usize) -> (f64, f64) {
        match self {
            RowForm::Differences(_) => (marks.max(1) as f64 * self.lane(), 5.0),
            RowForm::Percentiles => (30.0, 0.0),
            RowForm::Stacks | RowForm::Counts | RowForm::Rates => (20.0, 0.0),
        }
    }

    /// Whether they are differences.
    pub(super) fn is_difference(self) -> bool {
        matches!(self, RowForm::Differences(_))
    }

    /// Whether rows are bars of parts.
    pub(super) fn is_stack(self) -> bool {
        matches!(self, RowForm::Stacks | RowForm::Counts)
    }

    /// What values are.
    pub(super) fn unit(self) -> Unit {
        match self {
            RowForm::Differences(unit) => unit,
            RowForm::Percentiles | RowForm::Stacks => Unit::Ns,
            RowForm::Rates => Unit::PerSecond,
            RowForm::Counts => Unit::Number,
        }
    }
}
