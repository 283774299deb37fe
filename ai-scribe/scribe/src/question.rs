//! A question to a model, and the JSON that carries it.
//!
//! Follows: the shape of OpenAI's chat completions, which most servers understand.

use crate::address::Address;
use serde_json::{Value, json};
use std::time::Duration;

/// What one side of a conversation said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub text: String,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whom to ask.
    pub address: Address,
    /// The key to show, if any.
    pub key: Option<String>,
    /// Which model there; empty for whatever the server has.
    pub model: String,
    /// The conversation so far.
    pub turns: Vec<Turn>,
    /// How long nothing may come before it is given up.
    pub idle: Duration,
    /// How long it may take in all.
    pub total: Duration,
    /// Bytes of answer at most.
    pub most_bytes: usize,
    /// Tokens of answer at most; 0 leaves it to the server.
    pub most_tokens: u32,
}

impl Question {
    /// The body of the request.
    pub fn body(&self) -> String {
        let turns: Vec<Value> =
            self.turns.iter().map(|turn| json!({"role": turn.role, "content": turn.text})).collect();
        let mut body = json!({"messages": turns, "stream": true, "temperature": 0.2});
        if !self.model.is_empty() {
            body["model"] = Value::from(self.model.as_str());
        }
        if self.most_tokens > 0 {
            body["max_tokens"] = Value::from(self.most_tokens);
        }
        body.to_string()
    }
}
