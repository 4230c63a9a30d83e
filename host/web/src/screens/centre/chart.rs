//! Charts as SVG, drawn on the host. Series are told apart by pattern, dash and mark, not by colour alone, and
//! each chart stands beside the table that it was drawn from.

use std::fmt::Write as _;

/// Series that are told apart; further ones are added to the last.
pub(super) const MOST_SERIES: usize = 6;
/// Size of the drawing in its own units, and what the axes take of it.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;
/// Labels below the axis at most, and above each other beside it.
const LABELS: usize = 16;
const STEPS: f64 = 4.0;
/// Characters of a label.
const LABEL: usize = 12;
/// Between two columns, as a share of what each has, and the widest that one gets.
const GAP: f64 = 0.25;
const WIDEST: f64 = 96.0;

/// Values that belong together, one for each place.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// What is drawn.
pub(super) struct Data {
    pub(super) title: String,
    pub(super) description: String,
    /// What stands below each column or point.
    pub(super) places: Vec<String>,
    pub(super) series: Vec<Series>,
    /// Whether it goes on from one place to the next; otherwise columns stand on each other.
    pub(super) is_line: bool,
}

/// A column, or a part of one.
pub(super) struct Column {
    pub(super) series: usize,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// What it says to whoever points at it.
    pub(super) said: String,
}

/// A line from place to place.
pub(super) struct Line {
    pub(super) series: usize,
    pub(super) path: String,
    pub(super) points: Vec<(String, String, String)>,
}

/// A chart as it is drawn.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) legend: Vec<(usize, String)>,
    pub(super) columns: Vec<Column>,
    pub(super) lines: Vec<Line>,
    /// Heights of the grid with what they mean.
    pub(super) grid: Vec<(String, String)>,
    /// Where labels stand, and what they say.
    pub(super) labels: Vec<(String, String)>,
}

impl Chart {
    /// Nothing where there is nothing to draw.
    pub(super) fn of(data: Data) -> Option<Self> {
        let Data { title, description, places, series, is_line } = data;
        let series = few(series);
        if places.is_empty() || series.iter().all(|one| one.values.iter().all(|value| *value == 0.0)) {
            return None;
        }
        let tops = (0..places.len()).map(|place| {
            let values = series.iter().filter_map(|one| one.values.get(place));
            if is_line { values.copied().fold(0.0, f64::max) } else { values.sum() }
        });
        let most = round_up(tops.fold(0.0, f64::max));
        let scale = Scale { step: (WIDTH - LEFT - RIGHT) / as_number(places.len()), most };
        let mut chart = Self {
            title,
            description,
            legend: series.iter().enumerate().map(|(at, one)| (at, one.name.clone())).collect(),
            columns: Vec::new(),
            lines: Vec::new(),
            grid: grid(most, &scale),
            labels: labels(&places, &scale),
        };
        if is_line {
            chart.lines = series.iter().enumerate().map(|(at, one)| line(at, one, &places, &scale)).collect();
        } else {
            chart.columns = columns(&series, &places, &scale);
        }
        Some(chart)
    }
}

struct Scale {
    step: f64,
    most: f64,
}

impl Scale {
    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most
    }

    fn middle(&self, place: usize) -> f64 {
        LEFT + self.step * (as_number(place) + 0.5)
    }
}

/// As many series as can be told apart.
fn few(mut series: Vec<Series>) -> Vec<Series> {
    while series.len() > MOST_SERIES {
        let Some(last) = series.pop() else { break };
        let Some(sum) = series.last_mut() else { break };
        for (value, more) in sum.values.iter_mut().zip(&last.values) {
            *value += more;
        }
        if !sum.name.ends_with('…') {
            sum.name.push('…');
        }
    }
    series
}

fn columns(series: &[Series], places: &[String], scale: &Scale) -> Vec<Column> {
    let mut columns = Vec::new();
    let width = (scale.step * (1.0 - GAP)).clamp(1.0, WIDEST);
    for (place, name) in places.iter().enumerate() {
        let mut below = 0.0;
        for (at, one) in series.iter().enumerate() {
            let value = one.values.get(place).copied().unwrap_or(0.0);
            if value <= 0.0 {
                continue;
            }
            let (bottom, top) = (scale.y(below), scale.y(below + value));
            below += value;
            columns.push(Column {
                series: at,
                x: tenths(scale.middle(place) - width / 2.0),
                y: tenths(top),
                width: tenths(width),
                height: tenths((bottom - top).max(0.5)),
                said: format!("{name} · {} {}", one.name, plain(value)),
            });
        }
    }
    columns
}

fn line(series: usize, one: &Series, places: &[String], scale: &Scale) -> Line {
    let mut path = String::new();
    let mut points = Vec::new();
    for (place, (value, name)) in one.values.iter().zip(places).enumerate() {
        let (x, y) = (tenths(scale.middle(place)), tenths(scale.y(*value)));
        // Writing to a string does not fail.
        let _ = write!(path, "{}{x} {y}", if place == 0 { "M" } else { " L" });
        points.push((x, y, format!("{name} · {} {}", one.name, plain(*value))));
    }
    Line { series, path, points }
}

fn grid(most: f64, scale: &Scale) -> Vec<(String, String)> {
    let mut grid = Vec::new();
    let mut step = 0.0;
    while step <= STEPS {
        let value = most * step / STEPS;
        grid.push((tenths(scale.y(value)), plain(value)));
        step += 1.0;
    }
    grid
}

fn labels(places: &[String], scale: &Scale) -> Vec<(String, String)> {
    let every = places.len().div_ceil(LABELS).max(1);
    let shortened = |name: &String| {
        let mut short: String = name.chars().take(LABEL).collect();
        if name.chars().count() > LABEL {
            short.push('…');
        }
        short
    };
    let labelled = places.iter().enumerate().step_by(every);
    labelled.map(|(place, name)| (tenths(scale.middle(place)), shortened(name))).collect()
}

/// The next number above that divides well.
fn round_up(value: f64) -> f64 {
    let mut unit = 1.0;
    loop {
        for factor in [1.0, 2.0, 4.0, 8.0] {
            // Four steps of whole numbers.
            let most = 4.0 * unit * factor;
            if value <= most {
                return most;
            }
        }
        unit *= 10.0;
    }
}

fn as_number(count: usize) -> f64 {
    // Places are days, hours or branches: far below what a float counts exactly.
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// A number without what says nothing.
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        Series { name: name.to_owned(), values: values.to_vec() }
    }

    fn data(series: Vec<Series>, is_line: bool) -> Data {
        let places = (1..=3).map(|day| format!("d{day}")).collect();
        Data { title: "t".to_owned(), description: "d".to_owned(), places, series, is_line }
    }

    #[test]
    fn columns_stand_on_each_other_and_reach_as_high_as_they_say() {
        let both = vec![series("gold", &[4.0, 0.0, 2.0]), series("silver", &[4.0, 3.0, 0.0])];
        let chart = Chart::of(data(both, false)).unwrap();
        // Nothing is drawn of nothing.
        assert_eq!(chart.columns.len(), 4);
        let number = |text: &str| text.parse::<f64>().unwrap();
        let [below, above] = [&chart.columns[0], &chart.columns[1]];
        assert!((number(&above.y) + number(&above.height) - number(&below.y)).abs() < 0.2);
        // Eight of eight is as high as the drawing.
        assert!((number(&above.y) - TOP).abs() < 0.2, "{}", above.y);
        assert_eq!(below.said, "d1 · gold 4");
        assert_eq!(
            chart.grid.iter().map(|(_, said)| said.as_str()).collect::<Vec<_>>(),
            ["0", "2", "4", "6", "8"]
        );
    }

    #[test]
    fn a_line_has_a_point_for_each_place() {
        let chart = Chart::of(data(vec![series("a", &[0.0, 12.0, 16.0])], true)).unwrap();
        assert_eq!((chart.lines.len(), chart.lines[0].points.len()), (1, 3));
        assert!(chart.lines[0].path.starts_with('M') && chart.lines[0].path.matches('L').count() == 2);
    }

    #[test]
    fn what_cannot_be_told_apart_is_one_and_of_nothing_there_is_no_chart() {
        let many = (0..9).map(|at| series(&at.to_string(), &[1.0, 1.0, 1.0])).collect();
        let chart = Chart::of(data(many, false)).unwrap();
        assert_eq!(chart.legend.len(), MOST_SERIES);
        assert_eq!(chart.legend[MOST_SERIES - 1].1, "5…");
        assert_eq!(chart.columns[MOST_SERIES - 1].said, "d1 · 5… 4");
        assert!(Chart::of(data(vec![series("a", &[0.0; 3])], false)).is_none());
        assert!(Chart::of(data(Vec::new(), true)).is_none());
    }

    #[test]
    fn the_axis_ends_above_the_highest() {
        for (value, most) in [(0.0, 4.0), (4.0, 4.0), (5.0, 8.0), (33.0, 40.0), (2_500_000.0, 3_200_000.0)] {
            assert!((round_up(value) - most).abs() < 1e-6, "{value}");
        }
        assert_eq!([plain(0.0), plain(2.5), plain(1200.0), plain(0.333)], ["0", "2.5", "1200", "0.33"]);
    }
}
