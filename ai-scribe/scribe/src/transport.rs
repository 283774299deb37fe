//! Carries one question over HTTP, and hands on what comes back as it comes.
//!
//! Invariants
//! - H1 No redirection is followed: the key goes to the address that was configured (N1).
//! - H2 A machine's own addresses are asked without a proxy.

use crate::answer::{Failure, Said, StreamReader, plain, whole};
use crate::question::Question;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Response;

/// The longest line of a stream, in bytes.
const LINE_LIMIT: u64 = 1 << 20;
/// How much of an error's body is looked at, in bytes.
const ERROR_LIMIT: u64 = 64 << 10;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

fn agent(question: &Question) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(question.total))
        .timeout_connect(Some(CONNECT.min(question.total)))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent("warm-scribe");
    if question.address.is_local() {
        config = config.proxy(None);
    }
    config.build().into()
}

/// Asks; `hear` takes each piece and answers whether to go on. Returns why the model stopped. Neither a
/// piece nor a failure has the key in it, should the server repeat it (N1).
pub fn ask(question: &Question, hear: &mut dyn FnMut(String) -> bool) -> Result<String, Failure> {
    let Some(key) = question.key.clone().filter(|key| !key.is_empty()) else { return carry(question, hear) };
    let without = |text: String| text.replace(&key, "(the key)");
    let end = carry(question, &mut |piece| hear(without(piece)));
    end.map_err(|failure| Failure { message: without(failure.message), ..failure })
}

fn carry(question: &Question, hear: &mut dyn FnMut(String) -> bool) -> Result<String, Failure> {
    let mut request = agent(question)
        .post(question.address.chat())
        .header("content-type", "application/json")
        .header("accept", "text/event-stream, application/json");
    if let Some(key) = &question.key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response = request.send(question.body()).map_err(|error| failure_of(&error))?;
    if response.status().as_u16() != 200 {
        return Err(refusal(response));
    }
    let kind = header(&response, "content-type").to_ascii_lowercase();
    let reader = BufReader::new(response.into_body().into_reader());
    if kind.starts_with("text/event-stream") {
        stream(reader, question.most_bytes, hear)
    } else if kind.starts_with("application/json") {
        let (text, reason) = whole(&all(reader, question.most_bytes)?)?;
        if hear(text) { Ok(reason) } else { Err(cancelled()) }
    } else {
        Err(Failure::new("garbage", format!("the answer is {:?}, not JSON and no stream of it", plain(&kind))))
    }
}

/// The failure of a question that was given up.
pub fn cancelled() -> Failure {
    Failure::new("cancelled", "the question was given up")
}

fn header(response: &Response<ureq::Body>, name: &str) -> String {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn failure_of(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::new("timeout", "no answer in time"),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Failure::new("timeout", "no answer in time")
        }
        ureq::Error::Io(error) => Failure::new("unreachable", format!("the address is not reached: {error}")),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
            Failure::new("unreachable", format!("the address is not reached: {error}"))
        }
        // What speaks there does not speak HTTP, or no trustworthy TLS.
        other => Failure::new("garbage", format!("no sensible answer: {}", plain(&other.to_string()))),
    }
}

/// What a status other than 200 means.
fn refusal(response: Response<ureq::Body>) -> Failure {
    let status = response.status().as_u16();
    let retry_after = header(&response, "retry-after").trim().parse::<u32>().unwrap_or(0);
    let mut body = Vec::new();
    // What cannot be read of an explanation is left out.
    let _ = response.into_body().into_reader().take(ERROR_LIMIT).read_to_end(&mut body);
    let said = match whole(&body) {
        Err(failure) if failure.code == "server" => failure.message,
        _ => plain(&String::from_utf8_lossy(&body)),
    };
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let (code, words) = match status {
        401 | 403 => ("denied", "the key was not accepted"),
        404 => ("refused", "there is no such address or model"),
        429 => ("busy", "the server wants to be asked later"),
        300..=399 => ("refused", "the server points elsewhere, where nobody goes"),
        500.. => ("server", "the server failed"),
        _ => ("refused", "the server does not want the question"),
    };
    let mut failure = Failure::new(code, format!("{words} ({status}){said}"));
    failure.retry_after_ms = retry_after.saturating_mul(1000);
    failure
}

/// A read that failed in the middle of an answer.
fn broken(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => {
            Failure::new("timeout", "the answer took too long")
        }
        _ if error.to_string().contains("timeout") => Failure::new("timeout", "the answer took too long"),
        _ => Failure::new("cut", format!("the answer broke off: {error}")),
    }
}

fn too_long(bound: usize) -> Failure {
    Failure::new("tooLong", format!("the answer has more than {bound} bytes"))
}

fn stream(
    mut reader: impl BufRead,
    most_bytes: usize,
    hear: &mut dyn FnMut(String) -> bool,
) -> Result<String, Failure> {
    let mut events = StreamReader::default();
    let mut line = Vec::new();
    let mut bytes = 0;
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line);
        if read.map_err(|error| broken(&error))? == 0 {
            return events.end();
        }
        if line.len() as u64 == LINE_LIMIT {
            return Err(too_long(LINE_LIMIT as usize));
        }
        match events.line(&line)? {
            Said::Nothing => {}
            Said::Done(reason) => return Ok(reason),
            Said::Piece(text) => {
                bytes += text.len();
                if bytes > most_bytes {
                    return Err(too_long(most_bytes));
                }
                if !hear(text) {
                    return Err(cancelled());
                }
            }
        }
    }
}

fn all(reader: impl Read, most_bytes: usize) -> Result<Vec<u8>, Failure> {
    // Room for the JSON around the text.
    let bound = most_bytes.saturating_mul(2).saturating_add(64 << 10);
    let mut bytes = Vec::new();
    let read = reader.take(bound as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| broken(&error))?;
    if bytes.len() > bound { Err(too_long(bound)) } else { Ok(bytes) }
}
