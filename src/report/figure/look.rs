//! What a figure is drawn for: a screen, a printed page, or slides.

/// What it is drawn for. Type, lines and marks keep their size in units in all of them: a figure that is fewer units
/// wide has larger type beside what it shows, and is laid out for it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Look {
    /// A page on the screen, 760 units wide; a unit is a CSS pixel.
    #[default]
    Screen,
    /// Print, so many millimetres wide; the smallest type has 6.65 points.
    Print {
        /// The width.
        mm: f64,
    },
    /// A slide of 16:9: large type, heavy lines, few words.
    Slide,
}

/// A unit is 0.7 points in print.
const UNITS_PER_MM: f64 = 72.0 / 25.4 / 0.7;
/// Below this, panels lie under one another, and words take more lines.
const NARROW: f64 = 500.0;
/// A slide is so many CSS pixels wide, and that part of it high.
const SLIDE_PIXELS: f64 = 960.0;
const SLIDE_HEIGHT: f64 = 9.0 / 16.0;

impl Look {
    /// Units from side to side.
    pub(super) fn width(self) -> f64 {
        match self {
            Look::Screen => 760.0,
            Look::Print { mm } => (mm * UNITS_PER_MM).round(),
            Look::Slide => 560.0,
        }
    }

    /// Blank border: a page has its own.
    pub(super) fn margin(self) -> f64 {
        match self {
            Look::Print { .. } => 6.0,
            Look::Screen | Look::Slide => 14.0,
        }
    }

    /// Where the border at the right begins.
    pub(super) fn right(self) -> f64 {
        self.width() - self.margin()
    }

    /// Between the borders.
    pub(super) fn room(self) -> f64 {
        self.width() - 2.0 * self.margin()
    }

    pub(super) fn is_narrow(self) -> bool {
        self.width() < NARROW
    }

    /// Whether what to look at stands in the caption alone.
    pub(super) fn has_few_words(self) -> bool {
        self.is_narrow() || self == Look::Slide
    }

    /// Whether areas need a texture, because grey may be all there is.
    pub(super) fn has_textures(self) -> bool {
        matches!(self, Look::Print { .. })
    }

    /// The height that is to be filled.
    pub(super) fn height(self) -> Option<f64> {
        (self == Look::Slide).then(|| self.width() * SLIDE_HEIGHT)
    }

    /// Width and height of the paper for a drawing of this height.
    pub(super) fn paper(self, height: f64) -> (f64, f64) {
        match self.height() {
            Some(full) => {
                let height = height.max(full);
                (height / SLIDE_HEIGHT, height)
            }
            None => (self.width(), height),
        }
    }

    /// A length of the finished figure, whose paper is `across` units wide.
    pub(super) fn length(self, units: f64, across: f64) -> String {
        match self {
            Look::Screen => format!("{units:.0}"),
            Look::Print { mm } => format!("{:.2}mm", units / across * mm),
            Look::Slide => format!("{:.0}", units / across * SLIDE_PIXELS),
        }
    }

    /// Pixels of the PNG per CSS pixel: 300 per inch in print.
    pub(super) fn png_scale(self) -> f32 {
        match self {
            Look::Print { .. } => 300.0 / 96.0,
            Look::Screen | Look::Slide => 2.0,
        }
    }

    /// CSS pixels per inch of the PDF: a millimetre is one in print; elsewhere a pixel is a point.
    pub(super) fn pdf_pixels_per_inch(self) -> f32 {
        match self {
            Look::Print { .. } => 96.0,
            Look::Screen | Look::Slide => 72.0,
        }
    }

    /// What tells its files from those for the screen.
    pub fn suffix(self) -> String {
        match self {
            Look::Screen => String::new(),
            Look::Print { mm } => format!("-{mm}mm"),
            Look::Slide => "-slide".to_owned(),
        }
    }
}
