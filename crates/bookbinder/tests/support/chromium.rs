//! One tab of a headless Chromium, by its DevTools protocol: JSON, a zero byte
//! after each message, over the pipes 3 and 4 of the process.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser that takes longer to answer than this hangs. (axe-core takes half a
/// minute for the book on one page.)
const PATIENCE: Duration = Duration::from_secs(180);
/// A taller picture is more than the browser draws at once.
const TALLEST: u64 = 12_000; // pixels

/// Where Chromium is, if a test can talk to it.
pub fn find() -> Option<PathBuf> {
    if cfg!(unix) { bookbinder::chromium::find() } else { None }
}

/// A tab, in a browser of its own.
pub struct Tab {
    browser: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    session: Option<Value>,
    calls: u64,
    events: Vec<Value>,
    profile: TempDir,
}

impl Tab {
    /// Starts a browser.
    pub fn open(chromium: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(profile.path().join("log")).unwrap();
        // A shell can lay pipes to 3 and 4, which std cannot
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .arg(chromium)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                // Containers have no sandbox to offer, and the pages are ours
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--no-first-run",
                // The browser itself asks no other machine for anything either
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-extensions",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell");
        let input = browser.stdin.take();
        let mut output = BufReader::new(browser.stdout.take().unwrap());

        let (send, messages) = channel();
        thread::spawn(move || {
            loop {
                let mut text = Vec::new();
                match output.read_until(0, &mut text) {
                    Ok(length) if length > 1 => text.truncate(length - 1),
                    _ => break,
                }
                let message = serde_json::from_slice(&text).expect("JSON");
                if send.send(message).is_err() {
                    break;
                }
            }
        });

        let mut tab = Self {
            browser,
            input,
            messages,
            session: None,
            calls: 0,
            events: Vec::new(),
            profile,
        };
        let blank = json!({ "url": "about:blank" });
        let target = tab.call("Target.createTarget", blank);
        let attached = tab.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        tab.session = Some(attached["sessionId"].clone());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        // A page that prints itself would wait for an answer
        let source = "window.print = () => {};";
        tab.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": source }),
        );
        tab
    }

    /// Calls a method of the protocol and waits for what it returns.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message =
            json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        let input = self.input.as_mut().expect("an open browser");
        if let Err(error) = input.write_all(&bytes) {
            self.give_up(method, &error.to_string());
        }
        let mut answer = self.wait(method, |message| message["id"] == id);
        if !answer["error"].is_null() {
            self.give_up(method, &answer["error"].to_string());
        }
        answer["result"].take()
    }

    /// Takes messages until one is `wanted`; the others are events to keep.
    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.events.iter().position(&wanted) {
            return self.events.remove(index);
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) if wanted(&message) => return message,
                Ok(message) => self.events.push(message),
                Err(error) => self.give_up(what, &error.to_string()),
            }
        }
    }

    fn give_up(&self, what: &str, why: &str) -> ! {
        let log = self.profile.path().join("log");
        let log = fs::read_to_string(log).unwrap_or_default();
        panic!("Chromium, asked for {what}: {why}\n{log}");
    }

    /// Sets the size of the screen.
    pub fn set_screen(&mut self, width: u64, height: u64, phone: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": phone,
            }),
        );
        let touch = json!({ "enabled": phone });
        self.call("Emulation.setTouchEmulationEnabled", touch);
    }

    /// Loads a page, and forgets what happened before.
    pub fn visit(&mut self, file: &Path) {
        self.ask_for(file);
        self.loaded();
    }

    /// Loads a page that runs none of its scripts.
    pub fn visit_without_scripts(&mut self, file: &Path) {
        let disabled = |value: bool| json!({ "value": value });
        self.call("Emulation.setScriptExecutionDisabled", disabled(true));
        self.ask_for(file);
        self.wait("a page", |m| m["method"] == "Page.loadEventFired");
        self.call("Emulation.setScriptExecutionDisabled", disabled(false));
    }

    fn ask_for(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Waits until a page that is on its way has come.
    pub fn loaded(&mut self) {
        self.wait("a page", |m| m["method"] == "Page.loadEventFired");
        // Requests that scripts make at the start, and two pictures drawn
        self.evaluate(
            "new Promise(done => setTimeout(() => requestAnimationFrame(() => \
             requestAnimationFrame(() => done(1))), 60))",
        );
    }

    /// The value of a JavaScript expression, or what it promises.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let mut answer = self.call(
            "Runtime.evaluate",
            json!({
                "expression": expression,
                "awaitPromise": true,
                "returnByValue": true,
                "userGesture": true,
            }),
        );
        if !answer["exceptionDetails"].is_null() {
            self.give_up(expression, &answer["exceptionDetails"].to_string());
        }
        answer["result"]["value"].take()
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            let key = letter.to_string();
            for kind in ["keyDown", "keyUp"] {
                let mut event = json!({ "type": kind, "key": key });
                if kind == "keyDown" {
                    event["text"] = json!(key);
                }
                self.call("Input.dispatchKeyEvent", event);
            }
        }
    }

    /// Presses a key that is no letter, by its code in Windows, and lets it go.
    /// `modifiers`: 1 Alt, 2 Ctrl, 4 Meta, 8 Shift, or a sum of them.
    pub fn press(&mut self, key: &str, code: u64, modifiers: u64) {
        // These two also write something, and a button waits for it
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [down, "keyUp"] {
            let mut event = json!({
                "type": kind,
                "key": key,
                "code": key,
                "windowsVirtualKeyCode": code,
                "modifiers": modifiers,
            });
            if kind == "keyDown" {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.evaluate(expression) != true {
            assert!(Instant::now() < end, "never true: {expression}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What went wrong since the page was asked for: errors on the console,
    /// exceptions, requests that failed or that left the machine.
    pub fn trouble(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut asked = HashSet::new();
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.consoleAPICalled"
                    if ["error", "assert"]
                        .contains(&params["type"].as_str().unwrap()) =>
                {
                    let text = &params["args"][0];
                    said.push(format!("on the console: {}", text["value"]));
                }
                "Runtime.exceptionThrown" => {
                    let details = &params["exceptionDetails"];
                    let mut text = &details["exception"]["description"];
                    if text.is_null() {
                        text = details; // what was thrown is no error
                    }
                    said.push(format!("an exception: {text}"));
                }
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    let entry = &params["entry"];
                    let text = entry["text"].as_str().unwrap();
                    let url = entry["url"].as_str().unwrap_or_default();
                    said.push(format!("an error: {text} {url}"));
                }
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap();
                    let near = ["file:", "data:", "about:", "blob:"];
                    if !near.iter().any(|scheme| url.starts_with(scheme))
                        && asked.insert(url)
                    {
                        said.push(format!("a request to {url}"));
                    }
                }
                "Network.loadingFailed" if params["canceled"] != true => {
                    let text = &params["errorText"];
                    said.push(format!("a request failed: {text}"));
                }
                _ => {}
            }
        }
        said
    }

    /// Takes a picture of a part of the page: left, top, width and height.
    pub fn screenshot_of(&mut self, name: &Path, [x, y, w, h]: [f64; 4]) {
        let clip =
            json!({ "x": x, "y": y, "width": w, "height": h, "scale": 1 });
        let params = json!({
            "format": "png",
            "captureBeyondViewport": true,
            "clip": clip,
        });
        let answer = self.call("Page.captureScreenshot", params);
        let bytes = BASE64_STANDARD.decode(answer["data"].as_str().unwrap());
        let file = format!("{}.png", name.display());
        fs::write(file, bytes.expect("base64")).expect("a picture");
    }

    /// Takes pictures of the whole page: `name.png`, and where it is very long
    /// `name-2.png` and so on.
    pub fn screenshot(&mut self, name: &Path, width: u64, height: u64) {
        let starts = (0..height).step_by(TALLEST as usize);
        for (index, y) in starts.enumerate() {
            let answer = self.call(
                "Page.captureScreenshot",
                json!({
                    "format": "png",
                    "captureBeyondViewport": true,
                    "optimizeForSpeed": true,
                    "clip": {
                        "x": 0,
                        "y": y,
                        "width": width,
                        "height": (height - y).min(TALLEST),
                        "scale": 1,
                    },
                }),
            );
            let bytes =
                BASE64_STANDARD.decode(answer["data"].as_str().unwrap());
            let suffix = match index {
                0 => String::new(),
                index => format!("-{}", index + 1),
            };
            let file = format!("{}{suffix}.png", name.display());
            fs::write(file, bytes.expect("base64")).expect("a picture");
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // At the end of its pipe the browser ends
        self.input = None;
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if matches!(self.browser.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
