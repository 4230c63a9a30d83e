//! How it is shown: on a terminal, or as lines of text.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::screen::{Cell, Screen, Table, Tone};

/// Lines that a page key goes.
const PAGE: u16 = 10;

/// Which line stands at the top.
#[derive(Debug, Default)]
pub(super) struct Place {
    line: u16,
    last: u16,
}

impl Place {
    pub(super) fn scroll(&mut self, key: KeyCode) {
        let line = match key {
            KeyCode::Down | KeyCode::Char('j') => self.line.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.line.saturating_sub(1),
            KeyCode::PageDown => self.line.saturating_add(PAGE),
            KeyCode::PageUp => self.line.saturating_sub(PAGE),
            KeyCode::Home => 0,
            KeyCode::End => self.last,
            _ => self.line,
        };
        self.line = line.min(self.last);
    }
}

/// Draws everything; `trouble` is why the latest answer is missing.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, trouble: Option<&str>, place: &mut Place) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(Line::styled(&*screen.title, Style::new().add_modifier(Modifier::BOLD)), head);
    let lines = lines(screen, trouble);
    place.last = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
    place.line = place.line.min(place.last);
    frame.render_widget(Paragraph::new(lines).scroll((place.line, 0)), body);
    foot_line(frame, foot, place);
}

fn foot_line(frame: &mut Frame<'_>, area: Rect, place: &Place) {
    let more = if place.line < place.last { " · more below" } else { "" };
    let text = format!("q ends · arrows and page keys scroll{more}");
    frame.render_widget(Line::styled(text, Style::new().add_modifier(Modifier::DIM)), area);
}

fn lines<'a>(screen: &'a Screen, trouble: Option<&'a str>) -> Vec<Line<'a>> {
    let bad = style(Tone::Bad);
    let mut lines: Vec<Line<'_>> = trouble.map(|trouble| Line::styled(trouble, bad)).into_iter().collect();
    if screen.reasons.is_empty() && trouble.is_none() {
        lines.push(Line::styled("ready", style(Tone::Good)));
    }
    let wrong = screen.reasons.iter().chain(&screen.degraded);
    lines.extend(wrong.map(|sentence| Line::styled(format!("! {sentence}"), bad)));
    for table in &screen.tables {
        let widths = widths(table);
        lines.push(Line::default());
        let head = table.head.iter().zip(&widths).enumerate();
        let head: String = head.map(|(column, (text, width))| padded(text, *width, column)).collect();
        lines.push(Line::styled(head, Style::new().add_modifier(Modifier::UNDERLINED)));
        for row in &table.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let span = |(column, (cell, width)): (usize, (&Cell, &usize))| {
                Span::styled(padded(&cell.text, *width, column), style(cell.tone))
            };
            lines.push(Line::from(cells.map(span).collect::<Vec<_>>()));
        }
        if table.rows.is_empty() {
            lines.push(Line::styled(format!("no {}", table.title), Style::new().add_modifier(Modifier::DIM)));
        }
    }
    lines
}

/// The same as lines of text.
pub(super) fn text(screen: &Screen) -> String {
    let mut text = format!("{}\n", screen.title);
    for line in lines(screen, None) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.to_string().trim_end());
    }
    text
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// Width of each column: that of its widest text.
fn widths(table: &Table) -> Vec<usize> {
    let width = |text: &str| console::measure_text_width(text);
    let of_column = |(column, head): (usize, &&'static str)| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(&cell.text)).chain([width(head)]).max().unwrap_or(0)
    };
    table.head.iter().enumerate().map(of_column).collect()
}

/// Names stand left, and so does the last thing in a row; numbers stand right.
fn padded(text: &str, width: usize, column: usize) -> String {
    let space = " ".repeat(width.saturating_sub(console::measure_text_width(text)));
    let is_number = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) && !text.contains(' ');
    if column > 0 && is_number { format!("{space}{text}  ") } else { format!("{text}{space}  ") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::screen::tests::status;
    use super::*;

    fn screen() -> Screen {
        Screen::new(&status(500), &status(100), Duration::from_secs(2))
    }

    #[test]
    fn a_small_terminal_shows_a_part_and_scrolls_to_the_rest() {
        let mut terminal = Terminal::new(TestBackend::new(60, 8)).unwrap();
        let mut place = Place::default();
        let mut shown = |place: &mut Place| {
            terminal.draw(|frame| draw(frame, &screen(), None, place)).unwrap();
            terminal.backend().to_string()
        };
        let first = shown(&mut place);
        assert!(first.contains("hubin") && first.contains("door") && first.contains("more below"), "{first}");
        assert!(!first.contains("visits"), "{first}");
        place.scroll(KeyCode::End);
        let last = shown(&mut place);
        assert!(last.contains("visits") && !last.contains("more below"), "{last}");
        place.scroll(KeyCode::PageUp);
        place.scroll(KeyCode::Home);
        assert_eq!(shown(&mut place), first);
    }

    #[test]
    fn trouble_stands_above_what_was_known() {
        let mut terminal = Terminal::new(TestBackend::new(80, 30)).unwrap();
        terminal
            .draw(|frame| draw(frame, &screen(), Some("no daemon answers"), &mut Place::default()))
            .unwrap();
        let shown = terminal.backend().to_string();
        assert!(shown.contains("no daemon answers") && shown.contains("disk full"), "{shown}");
    }

    #[test]
    fn as_text_it_is_the_same_without_colours() {
        let text = text(&screen());
        assert!(text.contains("! reader hall is down: refused"), "{text}");
        assert!(text.contains("! plugin com.acme (libacme.so) of hall was lost 12 times"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}
