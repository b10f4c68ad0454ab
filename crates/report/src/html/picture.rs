//! The timeline picture as inline SVG.

use model::Level;

use super::writer::Html;
use super::{class, mark};
use crate::brief::level_caption;
use crate::document::Document;
use crate::text;
use crate::timeline::Picture;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 158.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 30.0;
const LANE: f64 = 34.0;
const BARS: f64 = 42.0;

pub(super) fn section(html: &mut Html, document: &Document) {
    let Some(picture) = Picture::of(document) else { return };
    html.raw("<section id=\"timeline\"><h2>Timeline</h2>");
    draw(html, &picture);
    html.raw("</section>");
}

/// The picture with its legend.
pub(super) fn draw(html: &mut Html, picture: &Picture) {
    html.raw("<div class=\"scroll\" tabindex=\"0\">");
    svg(html, picture);
    html.raw("</div>");
    legend(html, picture);
}

fn svg(html: &mut Html, picture: &Picture) {
    let bars = if picture.bars.is_empty() { 0.0 } else { BARS + 12.0 };
    let lanes = picture.lanes.len() as f64 * LANE;
    let floor = TOP + lanes + bars;
    let height = floor + 40.0;
    let across = |x: f64| LEFT + x * (WIDTH - LEFT - RIGHT);
    html.raw("<svg class=\"picture\" role=\"img\" viewBox=\"0 0 ").at(WIDTH).raw(" ").at(height);
    html.raw("\" aria-label=\"Alerts over time, one lane for each source, from ");
    html.text(&picture.first.table()).raw(" to ").text(&picture.last.table()).raw(" UTC\">");
    for tick in &picture.ticks {
        let x = across(tick.x);
        html.raw("<line class=\"grid\" x1=\"")
            .at(x)
            .raw("\" x2=\"")
            .at(x)
            .raw("\" y1=\"")
            .at(TOP - 6.0);
        html.raw("\" y2=\"").at(floor).raw("\"/><text text-anchor=\"middle\" x=\"").at(x);
        html.raw("\" y=\"").at(floor + 17.0).raw("\">").text(&tick.label).raw("</text>");
        if !tick.day.is_empty() {
            html.raw("<text class=\"lane\" text-anchor=\"middle\" x=\"")
                .at(x)
                .raw("\" y=\"")
                .at(floor + 33.0);
            html.raw("\">").text(&tick.day).raw("</text>");
        }
    }
    for (at, lane) in picture.lanes.iter().enumerate() {
        let y = TOP + (at as f64 + 0.5) * LANE;
        html.raw("<line class=\"rule\" x1=\"")
            .at(LEFT)
            .raw("\" x2=\"")
            .at(WIDTH - RIGHT)
            .raw("\" y1=\"")
            .at(y);
        html.raw("\" y2=\"")
            .at(y)
            .raw("\"/><text class=\"lane\" text-anchor=\"end\" x=\"")
            .at(LEFT - 14.0);
        html.raw("\" y=\"").at(y + 4.5).raw("\">").text(lane).raw("</text>");
    }
    if !picture.bars.is_empty() {
        html.raw("<text text-anchor=\"end\" x=\"").at(LEFT - 14.0).raw("\" y=\"").at(floor - 12.0);
        html.raw("\">all events</text>");
    }
    for bar in &picture.bars {
        let tall = bar.height * BARS;
        html.raw("<rect class=\"bar\" x=\"")
            .at(across(bar.x))
            .raw("\" y=\"")
            .at(floor - tall)
            .raw("\" width=\"");
        html.at((bar.width * (WIDTH - LEFT - RIGHT) - 0.6).max(0.6))
            .raw("\" height=\"")
            .at(tall)
            .raw("\"/>");
    }
    html.raw("<line class=\"rule\" x1=\"")
        .at(LEFT)
        .raw("\" x2=\"")
        .at(WIDTH - RIGHT)
        .raw("\" y1=\"")
        .at(floor);
    html.raw("\" y2=\"").at(floor).raw("\"/>");
    for mark in picture.marks.iter().filter(|m| m.until - m.x > 0.004) {
        let y = TOP + (mark.lane as f64 + 0.5) * LANE;
        html.raw("<line class=\"while ").raw(class(mark.level)).raw("\" x1=\"").at(across(mark.x));
        html.raw("\" x2=\"")
            .at(across(mark.until))
            .raw("\" y1=\"")
            .at(y)
            .raw("\" y2=\"")
            .at(y)
            .raw("\"/>");
    }
    for mark in &picture.marks {
        let size = mark.radius() * 2.0;
        let y = TOP + (mark.lane as f64 + 0.5) * LANE;
        html.raw("<use class=\"")
            .raw(class(mark.level))
            .raw("\" href=\"#m-")
            .raw(class(mark.level));
        html.raw("\" x=\"").at(across(mark.x) - size / 2.0).raw("\" y=\"").at(y - size / 2.0);
        html.raw("\" width=\"").at(size).raw("\" height=\"").at(size).raw("\"><title>");
        html.text(level_caption(mark.level)).raw(": ").text(&mark.label);
        if mark.alerts > 1 {
            html.raw(" and ").count(mark.alerts - 1).raw(" more");
        }
        html.raw(" (").text(&text::plural(mark.findings, "finding")).raw(")</title></use>");
    }
    html.raw("</svg>");
}

fn legend(html: &mut Html, picture: &Picture) {
    html.raw("<div class=\"legend\">");
    for level in Level::ALL.into_iter().rev() {
        if picture.marks.iter().any(|m| m.level == level) {
            html.raw("<span>");
            mark(html, level);
            html.raw(level_caption(level)).raw("</span>");
        }
    }
    html.raw(
        "<span>Larger marks stand for more findings, thick lines for how long they went on.</span>",
    );
    if picture.outside > 0 {
        html.raw("<span>").text(&text::plural(picture.outside as u64, "alert"));
        html.raw(" outside this stretch of time.</span>");
    }
    html.raw("</div>");
}
