//! A model's answer, read as it comes.
//!
//! Invariants
//! - W1 What does not have the expected shape is a failure with a word for it, never a guess.
//! - W2 An answer is whole only if the model said that it is: a stream that just ends was cut.
//!
//! Follows: server-sent events (the `data:` lines), chat completions.

use serde_json::Value;

/// Why there is no whole answer: a word that is stable, and a line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `unreachable`, `timeout`, `silent`, `denied`, `busy`, `refused`, `server`, `garbage`, `cut`,
    /// `tooLong`, `cancelled`.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// When to try again, if the server said so.
    pub retry_after_ms: u32,
}

impl Failure {
    /// One without a time to try again.
    pub fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), retry_after_ms: 0 }
    }
}

/// What a line of a stream said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing that matters.
    Nothing,
    /// Some more of the answer.
    Piece(String),
    /// The answer is whole; why the model stopped.
    Done(String),
}

/// A line of foreign text that can be shown: short, without control characters.
pub fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    match line.char_indices().nth(200) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line.to_owned(),
    }
}

fn value_of(json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::new("garbage", format!("the answer is not JSON ({error}): {}", plain(json))))
}

/// What the server says went wrong, if it does.
fn error_in(value: &Value) -> Option<Failure> {
    let error = value.get("error")?;
    if error.is_null() {
        return None;
    }
    let message = error.get("message").and_then(Value::as_str).or_else(|| error.as_str());
    Some(Failure::new("server", format!("the server says: {}", plain(message.unwrap_or("an error")))))
}

fn choice(value: &Value) -> Result<Option<&Value>, Failure> {
    let choices = value.get("choices").and_then(Value::as_array);
    let choices = choices.ok_or_else(|| {
        Failure::new("garbage", format!("the answer has no choices: {}", plain(&value.to_string())))
    })?;
    // The last event of some servers has numbers about use and no choice.
    Ok(choices.first())
}

fn text_in<'a>(value: &'a Value, name: &str) -> Result<Option<&'a str>, Failure> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            Err(Failure::new("garbage", format!("{name} of the answer is no text: {}", plain(&other.to_string()))))
        }
    }
}

/// Reads the lines of a stream.
#[derive(Debug, Default)]
pub struct StreamReader {
    reason: Option<String>,
}

impl StreamReader {
    /// What a line says.
    pub fn line(&mut self, line: &[u8]) -> Result<Said, Failure> {
        let line = std::str::from_utf8(line)
            .map_err(|error| Failure::new("garbage", format!("the answer is not UTF-8: {error}")))?;
        let line = line.trim_end_matches(['\n', '\r']);
        let Some(data) = line.strip_prefix("data:") else {
            return Self::other(line);
        };
        let data = data.trim();
        if data == "[DONE]" {
            return Ok(Said::Done(self.reason.take().unwrap_or_default()));
        }
        let value = value_of(data)?;
        if let Some(failure) = error_in(&value) {
            return Err(failure);
        }
        let Some(choice) = choice(&value)? else { return Ok(Said::Nothing) };
        if let Some(reason) = text_in(choice, "finish_reason")? {
            self.reason = Some(reason.to_owned());
        }
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        match text_in(delta, "content")? {
            Some(text) if !text.is_empty() => Ok(Said::Piece(text.to_owned())),
            _ => Ok(Said::Nothing),
        }
    }

    /// Fields of events that carry no data, comments, blank lines.
    fn other(line: &str) -> Result<Said, Failure> {
        let is_event = line.is_empty() || line.starts_with(':');
        let is_field = ["event:", "id:", "retry:"].iter().any(|field| line.starts_with(field));
        if is_event || is_field {
            return Ok(Said::Nothing);
        }
        Err(Failure::new("garbage", format!("a line of the answer is no event: {}", plain(line))))
    }

    /// What the end of the stream means: whole if the model had said why it stopped (W2).
    pub fn end(&mut self) -> Result<String, Failure> {
        self.reason.take().ok_or_else(|| Failure::new("cut", "the answer broke off"))
    }
}

/// Reads an answer that came in one piece: its text, and why the model stopped.
pub fn whole(bytes: &[u8]) -> Result<(String, String), Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Failure::new("garbage", format!("the answer is not UTF-8: {error}")))?;
    let value = value_of(text)?;
    if let Some(failure) = error_in(&value) {
        return Err(failure);
    }
    let missing = || Failure::new("garbage", format!("the answer has no message: {}", plain(text)));
    let choice = choice(&value)?.ok_or_else(missing)?;
    let message = choice.get("message").ok_or_else(missing)?;
    let content = text_in(message, "content")?.ok_or_else(missing)?;
    let reason = text_in(choice, "finish_reason")?.unwrap_or_default();
    Ok((content.to_owned(), reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let seen = match StreamReader::default().line(line.as_bytes()) {
            Ok(Said::Nothing) => "nothing".to_owned(),
            Ok(Said::Piece(text)) => format!("piece {text:?}"),
            Ok(Said::Done(reason)) => format!("done {reason:?}"),
            Err(failure) => format!("{}: {}", failure.code, failure.message),
        };
        assert_eq!(seen, expect, "for {line:?}");
    }

    #[test]
    fn lines_of_a_stream_are_read() {
        check("data: {\"choices\":[{\"delta\":{\"content\":\"a\\nb\"}}]}\r\n", "piece \"a\\nb\"");
        check("data:{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}", "nothing");
        check("data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}", "nothing");
        check("data: [DONE]\n", "done \"\"");
        check("\n", "nothing");
        check(": still here", "nothing");
        check("event: message", "nothing");
    }

    #[test]
    fn other_shapes_are_named() {
        check("<html>", "garbage: a line of the answer is no event: <html>");
        check("data: {\"choices\":3}", "garbage: the answer has no choices: {\"choices\":3}");
        check("data: {\"choices\":[{\"delta\":{\"content\":[1]}}]}", "garbage: content of the answer is no text: [1]");
        check("data: {\"error\":{\"message\":\"out of\\u0007 memory\"}}", "server: the server says: out of  memory");
        let broken = StreamReader::default().line(b"data: {\"choices\":[").unwrap_err();
        assert_eq!(broken.code, "garbage");
        assert_eq!(StreamReader::default().line(b"data: \xff").unwrap_err().code, "garbage");
    }

    #[test]
    fn a_stream_that_just_ends_was_cut() {
        let mut reader = StreamReader::default();
        assert_eq!(reader.end().unwrap_err().code, "cut");
        reader.line(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}").unwrap();
        assert_eq!(reader.end().unwrap(), "stop");
    }

    #[test]
    fn whole_answers_are_read() {
        let body = br#"{"choices":[{"message":{"content":"hi"},"finish_reason":"length"}]}"#;
        assert_eq!(whole(body).unwrap(), ("hi".to_owned(), "length".to_owned()));
        for bad in ["", "{}", "[]", "{\"choices\":[]}", "{\"choices\":[{}]}", "{\"choices\":[{\"message\":{}}]}"] {
            assert_eq!(whole(bad.as_bytes()).unwrap_err().code, "garbage", "for {bad:?}");
        }
        assert_eq!(whole(br#"{"error":"no"}"#).unwrap_err().code, "server");
    }

    #[test]
    fn foreign_text_is_shortened() {
        assert_eq!(plain(&"ä".repeat(300)).chars().count(), 203);
        assert_eq!(plain("a\u{1b}[31mb\n"), "a [31mb");
    }
}
