//! A browser with JavaScript, for applications that are nothing but pages.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::PASSWORD;
use crate::kinds::Application;
use crate::pages;

/// Chromium with a window, in which alice uses a single-page application.
pub struct Window {
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Window {
    pub async fn open(application: &Application, issuer: &str) -> Self {
        let mut node = Command::new("node");
        node.arg(pages::script("spa.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        node.env("APPLICATION", format!("{}/", application.address)).env("ISSUER", issuer);
        node.env("USERNAME", "alice").env("PASSWORD", PASSWORD);
        let mut child = node.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut window = Self { input, answers: BufReader::new(output).lines(), _child: child };
        window.ask("open").await;
        window
    }

    /// What spa.mjs knows to do. Returns the key id of the application's ID token, if it has one.
    pub async fn ask(&mut self, deed: &str) -> Option<String> {
        self.input.write_all(format!("{deed}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("Chromium has ended");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let problems = answer["problems"].as_array().unwrap();
        assert!(problems.is_empty(), "{deed}: {problems:#?}");
        answer["header"]["kid"].as_str().map(str::to_owned)
    }
}
