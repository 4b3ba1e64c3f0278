//! Parts that the figures of these experiments share.

use crate::arm::Stroke;
use crate::report::figure::{Curve, CurveForm, CurvePanel, CurvePoint, Signs};
use crate::stats::Estimate;

/// A point with its interval.
pub(super) fn point(at: f64, estimate: Estimate) -> CurvePoint {
    CurvePoint {
        at,
        estimate,
        samples: 0,
        struck: false,
        verdict: None,
    }
}

/// A line.
pub(super) fn curve(label: impl Into<String>, stroke: Stroke, points: Vec<CurvePoint>) -> Curve {
    Curve {
        label: label.into(),
        form: CurveForm::Line,
        stroke,
        points,
        samples: 0,
        signs: Signs::default(),
    }
}

/// A panel with those of the curves that have points; `None` if none has.
pub(super) fn panel(title: &str, curves: impl IntoIterator<Item = Curve>) -> Option<CurvePanel> {
    let curves = curves.into_iter().filter(|c| !c.points.is_empty());
    let curves: Vec<Curve> = curves.collect();
    (!curves.is_empty()).then(|| CurvePanel {
        title: title.to_owned(),
        curves,
        noise: None,
        caption: None,
    })
}
