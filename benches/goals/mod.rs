//! A figure beside its goal, told alike by every bench. A goal that is missed is said and fails nothing: it depends on the
//! machine. What fails a bench is a wrong answer.
//!
//! Each bench compiles all of it and uses a part, hence the `allow`.
#![allow(dead_code)]

/// The figure is to be this or less.
pub fn at_most(what: &str, figure: f64, goal: f64, unit: &str) {
    line(what, figure, unit, &format!("<= {}", number(goal)), figure <= goal);
}

/// The figure is to be this or more.
pub fn at_least(what: &str, figure: f64, goal: f64, unit: &str) {
    line(what, figure, unit, &format!(">= {}", number(goal)), figure >= goal);
}

/// A figure that has none.
pub fn figure(what: &str, figure: f64, unit: &str) {
    println!("{what:44} {:>12} {unit}", number(figure));
}

fn line(what: &str, figure: f64, unit: &str, goal: &str, is_met: bool) {
    let verdict = if is_met { "met" } else { "MISSED" };
    println!("{what:44} {:>12} {unit:10} goal {goal:10} {verdict}", number(figure));
}

/// As many digits as say something.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        middle if middle >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
