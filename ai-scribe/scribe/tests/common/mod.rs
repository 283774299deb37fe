//! A server on this machine that replays what it is told to: right answers and every wrong one.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What the server does with a connection after it has read the request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Resets the connection instead of closing it.
    Reset,
    /// Holds the connection open until the test is over.
    Hold,
}

/// A server; the requests that it saw come by the receiver.
pub struct Loopback {
    /// Where it listens.
    pub address: String,
    /// Each request, head and body.
    pub seen: Receiver<String>,
}

/// Starts a server that serves each connection by the steps.
pub fn serve(steps: Vec<Step>) -> Loopback {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let (tell, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, steps, tell) = (stream.unwrap(), steps.clone(), tell.clone());
            std::thread::spawn(move || {
                let _ = tell.send(request(&mut stream));
                for step in steps {
                    match step {
                        Step::Send(bytes) => {
                            // Whoever gave up does not read on.
                            if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
                                return;
                            }
                        }
                        Step::Pause(time) => std::thread::sleep(time),
                        Step::Hold => std::thread::sleep(Duration::from_secs(24 * 3600)),
                        Step::Reset => reset(&stream),
                    }
                }
            });
        }
    });
    Loopback { address, seen }
}

/// Unread bytes at the close make the system reset the connection.
fn reset(stream: &TcpStream) {
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if read == 0 {
            return text;
        }
    }
}

/// A head with a status and a type, for a body that ends with the connection.
pub fn head(status: &str, kind: &str, more: &str) -> Step {
    Step::Send(format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}connection: close\r\n\r\n").into_bytes())
}

/// The head of a stream of events.
pub fn stream() -> Step {
    head("200 OK", "text/event-stream; charset=utf-8", "")
}

/// An event with some text.
pub fn piece(text: &str) -> Step {
    let event = serde_json::json!({"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    Step::Send(format!("data: {event}\n\n").into_bytes())
}

/// The events that end a stream.
pub fn finish() -> Step {
    Step::Send(b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_vec())
}

/// Bytes as they are.
pub fn raw(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// A pause.
pub fn pause(ms: u64) -> Step {
    Step::Pause(Duration::from_millis(ms))
}
