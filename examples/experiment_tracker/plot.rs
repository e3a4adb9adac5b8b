//! The picture: accuracy by learning rate, and how the best runs learnt. An SVG, written by hand.

use std::fmt::Write as _;

use pivotdb::Document;

use crate::days::day5::Run;
use crate::known::id_of;

/// Colours that people who see colours differently tell apart (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"];

const INK: &str = "#333333";
const CURVES: usize = 5;

/// A rectangle for data, and what its axes mean.
struct Axes {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (self.left + self.width * share(x, self.x), self.top + self.height * (1.0 - share(y, self.y)))
    }

    /// Lines and their labels, and what it is all about.
    fn draw(&self, svg: &mut Svg, title: &str, names: (&str, &str), ticks: (&[Tick], &[Tick])) {
        let (left, bottom) = self.at(self.x.0, self.y.0);
        let (right, top) = self.at(self.x.1, self.y.1);
        for (value, label) in ticks.0 {
            let x = self.at(*value, self.y.0).0;
            svg.line((x, top), (x, bottom), "#e4e4e4");
            svg.text((x, bottom + 18.0), "middle", 12, label);
        }
        for (value, label) in ticks.1 {
            let y = self.at(self.x.0, *value).1;
            svg.line((left, y), (right, y), "#e4e4e4");
            svg.text((left - 8.0, y + 4.0), "end", 12, label);
        }
        svg.line((left, bottom), (right, bottom), INK);
        svg.line((left, bottom), (left, top), INK);
        let middle = (left + right) / 2.0;
        svg.text((left, top - 16.0), "start", 15, title);
        svg.text((middle, bottom + 40.0), "middle", 13, names.0);
        let (x, y) = (left - 46.0, (top + bottom) / 2.0);
        let _ = writeln!(
            svg.0,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" font-size="13" transform="rotate(-90 {x:.1} {y:.1})">{}</text>"#,
            escaped(names.1)
        );
    }
}

type Tick = (f64, String);

struct Svg(String);

impl Svg {
    fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.0,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"/>"#
        );
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: &str, size: u32, text: &str) {
        let _ = writeln!(
            self.0,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{}</text>"#,
            escaped(text)
        );
    }

    /// Its form says which optimizer, its colour what the document is stored as.
    fn mark(&mut self, (x, y): (f64, f64), optimizer: &str, colour: &str, title: &str) {
        let style = format!(r##"fill="{colour}" fill-opacity="0.8" stroke="#ffffff" stroke-width="0.8""##);
        let form = match optimizer {
            "sgd" => format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.6" {style}>"#),
            "momentum" => {
                format!(r#"<rect x="{:.1}" y="{:.1}" width="8.4" height="8.4" {style}>"#, x - 4.2, y - 4.2)
            }
            _ => {
                let (left, right, low) = (x - 5.2, x + 5.2, y + 4.2);
                format!(
                    r#"<polygon points="{x:.1},{:.1} {right:.1},{low:.1} {left:.1},{low:.1}" {style}>"#,
                    y - 5.4
                )
            }
        };
        let name = form.split([' ', '<']).nth(1).unwrap_or_default();
        let _ = writeln!(self.0, "{form}<title>{}</title></{name}>", escaped(title));
    }
}

/// Every run is a mark; the first of them have a curve, too.
pub(crate) fn svg(ranked: &[Document<Run>]) -> String {
    let mut svg = Svg(String::new());
    let _ = writeln!(
        svg.0,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="1080" height="500" viewBox="0 0 1080 500" font-family="Helvetica, Arial, sans-serif" fill="{INK}">
<rect width="1080" height="500" fill="#ffffff"/>"##
    );
    accuracies(&mut svg, ranked);
    losses(&mut svg, ranked);
    svg.0.push_str("</svg>\n");
    svg.0
}

fn accuracies(svg: &mut Svg, ranked: &[Document<Run>]) {
    let rates = || ranked.iter().map(|run| run.params.optimizer.learning_rate.log10());
    let low = rates().fold(0.0, f64::min).floor();
    let high = rates().fold(0.0, f64::max).ceil();
    // A little air around the marks.
    let air = 0.08;
    let least = ranked.iter().filter_map(|run| run.metrics.accuracy).fold(0.5, f64::min);
    let y = ((least * 10.0).floor() / 10.0, 1.0);
    let (x, padded) = ((low - air, high + air), (y.0 - air / 4.0, y.1 + air / 4.0));
    let axes = Axes { left: 80.0, top: 56.0, width: 420.0, height: 320.0, x, y: padded };
    let ticks_x: Vec<Tick> =
        (low as i32..=high as i32).map(|n| (f64::from(n), format!("{}", 10_f64.powi(n)))).collect();
    let ticks_y: Vec<Tick> = ((y.0 * 10.0).round() as i32..=10)
        .map(|n| (f64::from(n) / 10.0, format!("{:.1}", f64::from(n) / 10.0)))
        .collect();
    let title = format!("{} runs, all shapes", ranked.len());
    axes.draw(svg, &title, ("learning rate", "accuracy on unseen points"), (&ticks_x, &ticks_y));
    // The best ones on top.
    for run in ranked.iter().rev() {
        let (rate, accuracy) = (run.params.optimizer.learning_rate, run.metrics.accuracy.unwrap_or_default());
        let title = format!("{}: {accuracy:.4} at {rate}", id_of(run));
        svg.mark(axes.at(rate.log10(), accuracy), &run.params.optimizer.name, colour(run), &title);
    }
    svg.text((80.0, 447.0), "start", 12, "stored as");
    for (number, colour) in COLOURS.iter().enumerate() {
        let x = 150.0 + 74.0 * number as f64;
        svg.mark((x, 443.0), "sgd", colour, "stored as");
        svg.text((x + 10.0, 447.0), "start", 12, &format!("shape {}", number + 1));
    }
    svg.text((80.0, 473.0), "start", 12, "optimizer");
    for (x, optimizer) in [(150.0, "sgd"), (224.0, "momentum"), (331.0, "adam")] {
        svg.mark((x, 469.0), optimizer, "#777777", optimizer);
        svg.text((x + 10.0, 473.0), "start", 12, optimizer);
    }
}

fn losses(svg: &mut Svg, ranked: &[Document<Run>]) {
    // The programs of the first two days have kept no history.
    let curves: Vec<_> = ranked.iter().filter(|run| run.metrics.history.len() > 1).take(CURVES).collect();
    let points = || curves.iter().flat_map(|run| &run.metrics.history);
    let longest = curves.iter().map(|run| run.metrics.history.len()).max().unwrap_or(10);
    let most = (points().map(|epoch| epoch.loss).fold(0.1, f64::max) * 5.0).ceil() / 5.0;
    let longest = longest.next_multiple_of(10);
    let axes = Axes {
        left: 620.0,
        top: 56.0,
        width: 420.0,
        height: 320.0,
        x: (0.0, longest as f64),
        y: (0.0, most),
    };
    let ticks_x: Vec<Tick> = (0..=longest).step_by(10).map(|n| (n as f64, n.to_string())).collect();
    let ticks_y: Vec<Tick> = (0..=(most * 5.0).round() as i32)
        .map(|n| (f64::from(n) / 5.0, format!("{:.1}", f64::from(n) / 5.0)))
        .collect();
    axes.draw(svg, "How the best of them learnt", ("epoch", "loss"), (&ticks_x, &ticks_y));
    for (number, run) in curves.iter().enumerate() {
        let points: Vec<String> = (1..)
            .zip(&run.metrics.history)
            .map(|(epoch, point)| axes.at(f64::from(epoch), point.loss))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let dash = ["none", "7 3", "2 2", "9 3 2 3", "1 4"][number % CURVES];
        let style = format!(
            r#"fill="none" stroke="{}" stroke-width="1.8" stroke-dasharray="{dash}""#,
            COLOURS[number % COLOURS.len()]
        );
        let _ = writeln!(svg.0, r#"<polyline points="{}" {style}/>"#, points.join(" "));
        let (x, y) = (620.0 + 216.0 * (number % 2) as f64, 443.0 + 20.0 * (number / 2) as f64);
        let _ = writeln!(svg.0, r#"<polyline points="{x},{y} {},{y}" {style}/>"#, x + 28.0);
        let optimizer = &run.params.optimizer;
        let label = format!("{}, {} at {}", id_of(run), optimizer.name, optimizer.learning_rate);
        svg.text((x + 34.0, y + 4.0), "start", 12, &label);
    }
}

fn colour(run: &Document<Run>) -> &'static str {
    let shape = usize::try_from(run.stamp().schema_version).unwrap_or(1);
    COLOURS[(shape - 1) % COLOURS.len()]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
