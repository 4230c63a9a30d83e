//! Help in place: the guide of each screen, a page of plain text in both languages.
//!
//! A guide is a file in `guide/`, named as its screen with a hyphen for the stroke. It has headings (`# `),
//! lists (`- `), steps (`1. `) and paragraphs, and nothing else.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::navigation::key_of;
use super::text::Text;
use super::viewer::{Frame, Refusal, Viewer, shown};
use crate::api::Api;

/// Language, name and text of each guide, as `build.rs` finds them.
const GUIDES: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/guides.rs"));

/// A part of a guide.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'g> {
    Heading(&'g str),
    Paragraph(String),
    List(Vec<String>),
    Steps(Vec<String>),
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    text: Text,
    frame: Frame,
    back: String,
    title: String,
    parts: Vec<Part<'static>>,
}

fn guide(language: &str, name: &str) -> Option<&'static str> {
    GUIDES.iter().find(|guide| guide.0 == language && guide.1 == name).map(|guide| guide.2)
}

/// Path of the guide of a screen; empty where there is none.
pub(super) fn path_of(screen: &str) -> String {
    let name = key_of(screen);
    if guide("en", &name).is_some() { format!("/help/{name}") } else { String::new() }
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let Some(text) = guide(viewer.text.language.tag(), &name) else {
        return Err(viewer.saying(StatusCode::NOT_FOUND, "problem-no-guide"));
    };
    let mut parts = parts(text);
    let title = match parts.first() {
        Some(Part::Heading(title)) => (*title).to_owned(),
        _ => String::new(),
    };
    if !title.is_empty() {
        parts.remove(0);
    }
    let frame = Frame::of(&api, &viewer, "help").await.map_err(|fault| viewer.refusal(fault))?;
    let back = super::navigation::path_of_key(&name);
    Ok(shown(&HelpPage { text: viewer.text, frame, back, title, parts }))
}

/// The parts of a guide, in order. Lines that follow each other are one paragraph, or go on with one point.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut is_new = true;
    for line in text.lines() {
        let begun = line.trim();
        if begun.is_empty() {
            is_new = true;
        } else if let Some(heading) = begun.strip_prefix("# ") {
            parts.push(Part::Heading(heading));
            is_new = true;
        } else if let Some(point) = begun.strip_prefix("- ") {
            match parts.last_mut() {
                Some(Part::List(points)) => points.push(point.to_owned()),
                _ => parts.push(Part::List(vec![point.to_owned()])),
            }
            is_new = false;
        } else if let Some(step) = step(begun) {
            match parts.last_mut() {
                Some(Part::Steps(steps)) => steps.push(step.to_owned()),
                _ => parts.push(Part::Steps(vec![step.to_owned()])),
            }
            is_new = false;
        } else {
            let before = match parts.last_mut() {
                Some(Part::Paragraph(text)) if !is_new => Some(text),
                Some(Part::List(points) | Part::Steps(points)) if !is_new => points.last_mut(),
                _ => None,
            };
            match before {
                Some(text) => go_on(text, begun),
                None => parts.push(Part::Paragraph(begun.to_owned())),
            }
            is_new = false;
        }
    }
    parts
}

/// What a numbered line says.
fn step(line: &str) -> Option<&str> {
    let (number, said) = line.split_once(". ")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(said)
}

/// Between Chinese lines there is no space.
fn go_on(text: &mut String, line: &str) {
    if text.chars().next_back().is_some_and(|last| last.is_ascii()) {
        text.push(' ');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::navigation;
    use super::*;

    fn names(language: &str) -> BTreeSet<&'static str> {
        GUIDES.iter().filter(|guide| guide.0 == language).map(|guide| guide.1).collect()
    }

    #[test]
    fn each_screen_has_a_guide_and_each_guide_is_of_a_screen() {
        let screens: BTreeSet<String> = navigation::names().map(key_of).collect();
        for language in ["zh-CN", "en"] {
            let guides: BTreeSet<String> = names(language).into_iter().map(str::to_owned).collect();
            assert_eq!(screens, guides, "{language}");
        }
    }

    #[test]
    fn both_languages_have_the_same_headings_lists_and_steps() {
        let shape = |language: &str, name: &str| -> Vec<(char, usize)> {
            let parts = parts(guide(language, name).unwrap());
            let shape = |part: &Part<'_>| match part {
                Part::Heading(_) => ('#', 0),
                Part::Paragraph(_) => ('p', 0),
                Part::List(points) => ('-', points.len()),
                Part::Steps(steps) => ('1', steps.len()),
            };
            parts.iter().map(shape).collect()
        };
        for name in names("en") {
            let (chinese, english) = (shape("zh-CN", name), shape("en", name));
            assert_eq!(chinese, english, "{name}");
            assert_eq!(english.first(), Some(&('#', 0)), "{name} begins with its title");
            assert!(english.len() > 3, "{name} says something");
        }
    }

    #[test]
    fn a_guide_is_headings_paragraphs_lists_and_steps() {
        let text = "# One\nfirst\nsecond\n\nthird\n- a\n  b\n- c\n1. x\n2. y\n一行\n再一行\n";
        let points = |points: &[&str]| points.iter().map(|point| (*point).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            parts(text),
            [
                Part::Heading("One"),
                Part::Paragraph("first second".to_owned()),
                Part::Paragraph("third".to_owned()),
                Part::List(points(&["a b", "c"])),
                Part::Steps(points(&["x", "y 一行再一行"])),
            ]
        );
        assert_eq!(parts("<script>"), [Part::Paragraph("<script>".to_owned())]);
    }
}
