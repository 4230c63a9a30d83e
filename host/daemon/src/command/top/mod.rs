//! `rfid-host top`: a running daemon at a glance.

mod draw;
mod screen;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::cli::Top;
use crate::client::Client;
use draw::Place;
use screen::Screen;

/// How long the keyboard is waited for before it is looked whether the screen is still there.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Keys that wait for the screen at most.
const WAITING_KEYS: usize = 16;

pub(crate) async fn run(top: Top) -> anyhow::Result<()> {
    let client = Client::new(&top.at)?;
    let mut answers =
        Answers { client, before: Value::Null, now: Value::Null, between: Duration::ZERO, at: None };
    // A daemon that is not there is told on the usual screen.
    answers.ask().await?;
    if top.once || !std::io::stdout().is_terminal() {
        tokio::time::sleep(top.every).await;
        answers.ask().await?;
        super::read::say(&draw::text(&answers.screen()));
        return Ok(());
    }
    let mut terminal = ratatui::try_init().context("the terminal cannot be drawn on; try --once")?;
    let outcome = watch(&mut terminal, &mut answers, top.every).await;
    ratatui::restore();
    outcome
}

/// Draws until somebody ends it.
async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    answers: &mut Answers,
    every: Duration,
) -> anyhow::Result<()> {
    let mut keys = keys();
    let mut next = tokio::time::interval(every);
    let mut place = Place::default();
    let mut trouble = None;
    loop {
        let screen = answers.screen();
        terminal.draw(|frame| draw::draw(frame, &screen, trouble.as_deref(), &mut place))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(key) if ends(key) => return Ok(()),
                Some(key) => place.scroll(key.code),
                None => return Ok(()),
            },
            // A daemon that is restarted comes back; what it said last stays on the screen.
            _ = next.tick() => trouble = answers.ask().await.err().map(|error| format!("{error:#}")),
        }
    }
}

/// Keys as they are pressed, from a thread of their own: reading a terminal blocks.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (out, keys) = mpsc::channel(WAITING_KEYS);
    std::thread::spawn(move || {
        while !out.is_closed() {
            let pressed = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let key = match pressed {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => key,
                // Drawn anew at the next answer.
                Ok(_) => continue,
                Err(_) => return,
            };
            if out.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

fn ends(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// The latest two answers of the daemon.
struct Answers {
    client: Client,
    before: Value,
    now: Value,
    between: Duration,
    at: Option<Instant>,
}

impl Answers {
    async fn ask(&mut self) -> anyhow::Result<()> {
        let status = self.client.json("/api/v1/status").await?;
        let now = Instant::now();
        self.between = self.at.map(|at| now - at).unwrap_or_default();
        self.at = Some(now);
        self.before = std::mem::replace(&mut self.now, status);
        Ok(())
    }

    fn screen(&self) -> Screen {
        Screen::new(&self.now, &self.before, self.between)
    }
}
