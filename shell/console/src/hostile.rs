//! Tests that no text of a view can become markup: every text field of every view, and of plots as files (T2, T3, T6).

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::view::model::{Curve, SegmentView};
use crate::{frame, sample};

const SCRIPT: &str = "<script>alert(1)</script>";
const BREAKOUT: &str = "\"'><img src=x onerror=alert(1)> style=\"x\" &lt;b&gt; \u{0}\u{1b}[31m\u{202e}\u{85}\u{feff}]]><!-- ";

/// Elements that HTML never closes.
const VOID: [&str; 5] = ["meta", "link", "input", "br", "hr"];

/// Asserts what every page owes: balanced tags, no inline script, style or handler, nothing that is obeyed rather than read.
fn check(name: &str, page: &str) {
    let fault = fault_of(page);
    assert!(fault.is_none(), "{name}: {}\n{page}", fault.unwrap_or_default());
}

/// The first fault of a text of markup: a small tag reader, stricter than a browser.
fn fault_of(page: &str) -> Option<String> {
    if let Some(letter) = page.chars().find(|letter| frame::obeyed(*letter)) {
        return Some(format!("holds {letter:?}"));
    }
    let mut open: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        if rest[..at].contains('>') && !matches!(open.last().map(String::as_str), Some("style")) {
            return Some(format!("a stray > in {:?}", &rest[..at]));
        }
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix("!DOCTYPE html>") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix('/') {
            let (name, after) = after.split_once('>')?;
            match open.pop() {
                Some(last) if last == name => rest = after,
                last => return Some(format!("</{name}> closes {last:?}")),
            }
        } else {
            let (tag, after) = match read_tag(rest) {
                Ok(read) => read,
                Err(fault) => return Some(fault),
            };
            if let Some(fault) = tag.fault(after) {
                return Some(fault);
            }
            if let Some(id) = tag.attribute("id")
                && !ids.insert(id.to_owned())
            {
                return Some(format!("id {id} stands twice"));
            }
            if !VOID.contains(&tag.name.as_str()) {
                open.push(tag.name);
            }
            rest = after;
        }
    }
    (!open.is_empty()).then(|| format!("never closed: {open:?}"))
}

struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    fn fault(&self, after: &str) -> Option<String> {
        const KNOWN: &str = " html head meta title link script body a header div svg path nav ul li form input span button main footer \
            h1 h2 h3 p time figure figcaption section dl dt dd code strong table caption thead tbody tr th td ol label \
            desc defs marker g rect text circle line style br ";
        if !KNOWN.contains(&format!(" {} ", self.name)) {
            return Some(format!("element {} is not ours", self.name));
        }
        for (name, value) in &self.attributes {
            if name == "style" || name.starts_with("on") || name == "srcdoc" {
                return Some(format!("attribute {name}"));
            }
            let outside =
                matches!(name.as_str(), "href" | "src" | "action") && !(value.starts_with("/console") || value.starts_with('#'));
            if outside {
                return Some(format!("{name} leads to {value}"));
            }
        }
        if self.name == "script" && !after.starts_with("</script>") {
            return Some("a script with content".into());
        }
        if self.name == "style" && !after.starts_with(crate::plot::PLOT_STYLE) {
            return Some("a style with foreign content".into());
        }
        None
    }
}

fn read_tag(text: &str) -> Result<(Tag, &str), String> {
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut rest = &text[name.len()..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return Ok((Tag { name, attributes }, after));
        }
        let letters = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
        let attribute: String = rest.chars().take_while(letters).collect();
        if attribute.is_empty() {
            return Err(format!("in <{name}: {:?}", rest.chars().take(40).collect::<String>()));
        }
        rest = &rest[attribute.len()..];
        let mut value = "";
        if let Some(after) = rest.strip_prefix("=\"") {
            (value, rest) = after.split_once('"').ok_or("an open quote")?;
        }
        if value.contains('<') {
            return Err(format!("< in {attribute}"));
        }
        attributes.push((attribute, value.to_owned()));
    }
}

/// The paths of every text in a value.
fn texts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| texts(item, &format!("{path}/{index}"), found)),
        Value::Object(fields) => fields.iter().for_each(|(name, item)| texts(item, &format!("{path}/{name}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts `text` into every text field of a view that takes free text (names of states and kinds do not), and draws it.
fn poison<V: Serialize + DeserializeOwned>(view: &V, text: &str) -> (V, usize) {
    let mut value = serde_json::to_value(view).unwrap();
    let mut paths = Vec::new();
    texts(&value, "", &mut paths);
    let mut poisoned = 0;
    for path in paths {
        let place = value.pointer_mut(&path).unwrap();
        let before = std::mem::replace(place, Value::String(text.to_owned()));
        if serde_json::from_value::<V>(value.clone()).is_ok() {
            poisoned += 1;
        } else {
            *value.pointer_mut(&path).unwrap() = before;
        }
    }
    (serde_json::from_value(value).unwrap(), poisoned)
}

/// Every page with every text field of its view replaced by `text`; the count of replaced fields.
fn poisoned_pages(text: &str) -> (Vec<(&'static str, String)>, usize) {
    let mut fields = 0;
    let mut pages = Vec::new();
    macro_rules! draw {
        ($name:literal, $view:expr, $page:path) => {{
            let (view, count) = poison(&$view, text);
            fields += count;
            pages.push(($name, $page(&view)));
        }};
    }
    let by = crate::view::entry::LoginBy::Link { token: "t".into(), person: "p".into() };
    draw!("login", sample::login(), crate::login);
    draw!("link", crate::view::entry::LoginView { by, ..sample::login() }, crate::login);
    draw!("pipeline", sample::pipeline(), crate::pipeline);
    draw!("fragment", sample::pipeline(), crate::pipeline_fragment);
    draw!("run", sample::run(), crate::run);
    draw!("model", sample::model(), crate::model);
    draw!("evidence", sample::evidence(), crate::evidence);
    draw!("controls", sample::controls(), crate::controls);
    draw!("passkeys", sample::passkeys(), crate::passkeys);
    draw!("refused", sample::refused(), crate::refused);
    let missing = crate::view::evidence::EvidenceView { chain: Vec::new(), ..sample::evidence() };
    draw!("missing", missing, crate::evidence);
    (pages, fields)
}

#[test]
fn every_page_as_it_is_keeps_the_rules() {
    for (name, page) in sample::pages() {
        check(name, &page);
    }
}

#[test]
fn every_plot_file_keeps_the_rules() {
    for (name, plot) in sample::plots() {
        check(name, &plot);
    }
}

#[test]
fn a_script_in_every_field_stays_text() {
    let (pages, fields) = poisoned_pages(SCRIPT);
    assert!(fields > 400, "the walk must reach the views' fields, found {fields}");
    for (name, page) in &pages {
        check(name, page);
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{name}");
    }
}

#[test]
fn quotes_controls_and_turned_text_in_every_field_stay_text() {
    let (pages, _) = poisoned_pages(BREAKOUT);
    for (name, page) in &pages {
        check(name, page);
        assert!(!page.contains("<img") && page.contains('\u{fffd}'), "{name}");
    }
}

#[test]
fn hostile_names_in_a_plot_file_stay_text() {
    for text in [SCRIPT, BREAKOUT] {
        let (view, _) = poison(&sample::model(), text);
        let model = view.model.unwrap();
        let mut plot = crate::calibration_plot(&model.calibration);
        (plot.id, plot.title, plot.x.label, plot.y.unit) = (text.into(), text.into(), text.into(), text.into());
        let file = crate::plot::Placement::Standalone;
        check("curve file", &crate::plot::xy(&plot, file).into_string());
        let mut bars = crate::segment_plot(&model.segments, model.churn_rate);
        (bars.id, bars.title, bars.axis.label, bars.reference) =
            (text.into(), text.into(), text.into(), Some((text.into(), 0.2)));
        check("bar file", &crate::plot::bars(&bars, file).into_string());
    }
}

#[test]
fn the_reader_of_tags_sees_each_fault() {
    let faults = [
        "<p>",
        "<p></div>",
        "<p style=\"x\"></p>",
        "<p onclick=\"x\"></p>",
        "<script>x</script>",
        "<img>",
        "<p>a > b</p><p></p>",
        "<a href=\"javascript:x\"></a>",
        "<a href=\"https://example.org/\"></a>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
        "<p>\u{1b}</p>",
        "<p title=x></p>",
    ];
    for fault in faults {
        assert!(fault_of(fault).is_some(), "{fault}");
    }
    assert_eq!(fault_of("<!DOCTYPE html><p class=\"a\">b &lt; c<br></p>"), None);
}

#[test]
fn the_stylesheet_and_the_script_fetch_nothing_from_outside() {
    for text in [crate::STYLESHEET, crate::SCRIPT, crate::PASSKEY_SCRIPT] {
        assert!(!text.contains("http") && !text.contains("@import") && !text.contains("url(") && !text.contains("//cdn"));
    }
    for script in [crate::SCRIPT, crate::PASSKEY_SCRIPT] {
        assert!(!script.contains("innerHTML =") && !script.contains("eval("));
    }
}

#[test]
fn every_class_that_a_page_draws_is_in_the_stylesheet() {
    for (name, page) in sample::pages() {
        for classes in page.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for class in classes.split_whitespace() {
                let known = crate::STYLESHEET.contains(&format!(".{class}"))
                    || matches!(
                        class,
                        "flow" | "wide" | "cell" | "sign" | "mark" | "id" | "runs" | "plot-name" | "plot-note" | "plot-legend"
                    );
                assert!(known, "{name}: class {class}");
            }
        }
    }
}

#[test]
fn every_red_state_shows_rule_why_help_and_command() {
    for (name, page) in sample::pages() {
        for finding in page.split("<div class=\"finding").skip(1).filter_map(|rest| rest.split("</div>").next()) {
            for part in ["class=\"why\"", "<dt>Rule</dt>", "<dt>Help</dt>", "<dt>Next</dt>", "class=\"command\""] {
                assert!(finding.contains(part), "{name}: a finding without {part}");
            }
        }
    }
    let refused = sample::pages().into_iter().find(|(name, _)| *name == "pipeline").unwrap().1;
    assert!(refused.matches("class=\"finding").count() >= 3);
}

#[test]
fn every_empty_page_shows_the_command_that_fills_it() {
    for (name, page) in sample::pages().into_iter().filter(|(name, _)| name.ends_with("-empty") || name.ends_with("-missing")) {
        let command = page
            .split("class=\"empty\"")
            .nth(1)
            .and_then(|rest| rest.split("class=\"command\">").nth(1))
            .and_then(|rest| rest.split('<').next());
        assert!(command.is_some_and(|command| crate::command::ALL.contains(&command)), "{name}: {command:?}");
    }
}

#[test]
fn every_link_to_a_place_in_the_page_finds_it() {
    for (name, page) in sample::pages() {
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "{name}: #{target}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_in_every_field_keeps_the_rules(text in "\\PC{0,24}|[<>&\"'=/ a-z\u{0}-\u{1f}\u{80}-\u{9f}\u{202a}-\u{202e}]{0,40}") {
        for (name, page) in poisoned_pages(&text).0 {
            let fault = fault_of(&page);
            prop_assert!(fault.is_none(), "{name}: {fault:?} for {text:?}");
        }
    }

    #[test]
    fn any_numbers_in_a_model_keep_the_rules(points in prop::collection::vec(prop::array::uniform2(prop::num::f64::ANY), 0..40), rate in prop::num::f64::ANY) {
        let mut view = sample::model();
        if let Some(model) = &mut view.model {
            for curves in [&mut model.roc, &mut model.precision_recall, &mut model.lift, &mut model.calibration] {
                *curves = vec![Curve { name: "any".into(), points: points.clone() }];
            }
            model.segments.push(SegmentView { name: "any".into(), churn_rate: rate, value: Some(rate), ..SegmentView::default() });
            model.churn_rate = Some(rate);
        }
        let page = crate::model(&view);
        prop_assert!(fault_of(&page).is_none());
        prop_assert!(!page.contains("NaN") && !page.contains("=\"inf"));
    }
}
