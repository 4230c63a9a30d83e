//! A real browser, driven through chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// Nothing that a test waits for takes longer on any machine that is not broken.
const LIMIT: Duration = Duration::from_secs(60);

/// A window of a browser of its own.
pub(super) struct Browser {
    pub(super) page: Client,
    driver: Child,
    /// Where the driver listens, and what it calls this browser.
    port: u16,
    session: String,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a window of this size, for somebody who reads this language.
    pub(super) async fn open(size: (u32, u32), language: &str) -> Self {
        Self::open_with(size, language, &[]).await
    }

    /// The same for somebody who works in the dark.
    pub(super) async fn open_dark(size: (u32, u32), language: &str) -> Self {
        Self::open_with(size, language, &["--blink-settings=preferredColorScheme=0"]).await
    }

    /// The same with a camera, which sees a picture that the browser makes up, and which is allowed.
    pub(super) async fn open_with_camera(size: (u32, u32), language: &str) -> Self {
        let more = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
        Self::open_with(size, language, &more).await
    }

    async fn open_with((width, height): (u32, u32), language: &str, more: &[&str]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tests of the screens need Debian's chromium-driver; ./test installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver ended").unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // The sandbox of Chromium needs a user who is not root; only pages of ours are opened.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--accept-lang={language}"),
        ];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let is_handheld = width < 600;
        if !is_handheld {
            arguments.push(format!("--window-size={width},{height}"));
        }
        let mut options = json!({ "args": arguments });
        if is_handheld {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 1.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the tests of the screens need Debian's chromium; ./test installs it");
        let session = page.session_id().await.unwrap().unwrap();
        Self { page, driver, port, session, profile }
    }

    /// The element of this selector, once it is there.
    pub(super) async fn find(&self, selector: &str) -> Element {
        eventually(selector, async || self.page.find(Locator::Css(selector)).await.ok()).await
    }

    /// Waits until an element of this selector has this text in it.
    pub(super) async fn until_says(&self, selector: &str, text: &str) {
        eventually(&format!("{text} in {selector}"), async || {
            self.texts(selector).await.iter().any(|said| said.contains(text)).then_some(())
        })
        .await;
    }

    /// What stands in all elements of this selector, seen or not.
    pub(super) async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)";
        let texts = self.page.execute(script, vec![json!(selector)]).await.unwrap_or_default();
        serde_json::from_value(texts).unwrap_or_default()
    }

    /// Clicks what is there once it is there; what is put in its place meanwhile is clicked then.
    pub(super) async fn click(&self, selector: &str) {
        eventually(&format!("a click on {selector}"), async || {
            self.page.find(Locator::Css(selector)).await.ok()?.click().await.ok()
        })
        .await;
    }

    pub(super) async fn write(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    /// Presses a key where nobody writes.
    pub(super) async fn press(&self, key: &str) {
        self.find("body").await.send_keys(key).await.unwrap();
    }

    pub(super) async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap()
    }

    /// Logs somebody in who has no second factor.
    pub(super) async fn log_in(&self, screens: &str, number: &str, password: &str) {
        self.log_in_with(screens, number, password, "").await;
    }

    /// The same with the digits of a second factor.
    pub(super) async fn log_in_with(&self, screens: &str, number: &str, password: &str, digits: &str) {
        self.page.goto(screens).await.unwrap();
        self.write("[name=staff_number]", number).await;
        self.write("[name=password]", password).await;
        if !digits.is_empty() {
            self.write("[name=digits]", digits).await;
        }
        self.click("main button.primary").await;
        self.find("header.bar, .wall main").await;
    }
}

/// Runs before each page: the clock of the page stands still until it is moved, and what waits for a minute and more
/// waits by it.
const MOVABLE_CLOCK: &str = "(() => { \
    const [later, never, real] = [setTimeout.bind(window), clearTimeout.bind(window), Date.now.bind(Date)]; \
    const waiting = new Map(); let at = real(); let last = 1e9; \
    window.setTimeout = (act, ms = 0, ...rest) => { \
        if (ms < 60_000) return later(act, ms, ...rest); \
        waiting.set(++last, { at: Date.now() + ms, act }); return last; }; \
    window.clearTimeout = (id) => { if (!waiting.delete(id)) never(id); }; \
    Date.now = () => at; \
    window.moveClock = (ms) => { at += ms; \
        for (const [id, one] of [...waiting]) if (one.at <= Date.now()) { waiting.delete(id); one.act(); } }; \
})()";

impl Browser {
    /// Switches scripts off in the pages that come.
    pub(super) fn without_script(&self) {
        self.tell("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// Gives the pages that come a clock that [`Browser::move_clock`] moves.
    pub(super) fn with_movable_clock(&self) {
        self.before_each_page(MOVABLE_CLOCK);
    }

    /// Runs a script in the pages that come before any script of theirs.
    pub(super) fn before_each_page(&self, script: &str) {
        self.tell("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// Lets so much time pass for the page, at once.
    pub(super) async fn move_clock(&self, by: Duration) {
        self.run(&format!("moveClock({})", by.as_millis())).await;
    }

    /// Tells the browser itself something, by Chromium's protocol for tools. Returns what it answers.
    pub(super) fn tell(&self, what: &str, with: &Value) -> Value {
        let body = json!({ "cmd": what, "params": with }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let (session, length) = (&self.session, body.len());
        write!(
            stream,
            "POST /session/{session}/goog/cdp/execute HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        // The driver leaves the connection open: as much is read as it says.
        let mut answer = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            answer.read_line(&mut line).unwrap();
            if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["value"]["error"], Value::Null, "{what}: {answer}");
        answer["value"].clone()
    }

    /// Has the driver close the browser; whether it did is seen afterwards.
    fn close(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let session = &self.session;
        write!(stream, "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        // The answer comes when it is closed; the driver leaves the connection open.
        stream.read(&mut [0; 64]).map(drop)
    }

    /// Whatever runs with the profile of this browser.
    fn left_behind(&self) -> Vec<String> {
        let profile = self.profile.path().to_string_lossy().into_owned();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_ours = |process: &std::fs::DirEntry| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&profile)
        };
        processes.filter(is_ours).map(|process| process.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Browser {
    /// A browser does not go with its driver, and one that stayed would ask for arrivals for ever, at a port
    /// that is soon somebody else's.
    fn drop(&mut self) {
        let _ = self.close();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        for process in self.left_behind() {
            let _ = Command::new("kill").args(["-KILL", &process]).stderr(Stdio::null()).status();
        }
    }
}

/// Waits until something is there.
pub(super) async fn eventually<T>(what: &str, is_there: impl AsyncFn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = is_there().await {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
