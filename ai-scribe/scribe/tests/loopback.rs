//! Questions against a server on this machine that answers rightly, wrongly, slowly and not at all.

mod common;
#[path = "../../../tests/common/time.rs"]
mod time;

use common::{Step, finish, head, pause, piece, raw, serve, stream};
use platform::operations::{Fields, ModelOperation, Packed};
use platform::{Handle, Refusal, Reply, Request, Service};
use scribe::{ModelService, SettingsSource};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use time::PATIENCE;

/// Times that nobody reaches, however busy the machine is.
const LONG_MS: u32 = 1_800_000;

struct World {
    service: ModelService,
    rung: Receiver<u32>,
}

fn world(settings: SettingsSource) -> World {
    let (ring, rung) = channel();
    let service = ModelService::new(7, settings, Arc::new(move |index| ring.send(index).unwrap_or(())));
    World { service, rung }
}

fn unconfigured() -> World {
    world(SettingsSource::at("/nonexistent/warm/scribe"))
}

fn question(address: &str, idle_ms: u32, total_ms: u32, most_bytes: u32) -> Packed {
    let packed = Packed::default().text(address).text("").u32(idle_ms).u32(total_ms).u32(most_bytes).u32(0);
    packed.text("system").text("Be brief.").text("user").text("Why \"is\"\nit?")
}

impl World {
    fn call(&mut self, operation: ModelOperation, handle: Option<Handle>, packed: Packed) -> Result<Reply, Refusal> {
        let bytes = packed.finish();
        self.service.call(Request { operation: operation as u32, handle, bytes: &bytes, semaphore: Some(5) })
    }

    fn ask(&mut self, packed: Packed) -> Handle {
        self.call(ModelOperation::Ask, None, packed).unwrap().handle.unwrap()
    }

    fn next(&mut self, handle: Handle) -> Vec<u8> {
        loop {
            match self.call(ModelOperation::Next, Some(handle), Packed::default()) {
                Ok(reply) => return reply.bytes,
                Err(Refusal::WouldBlock) => assert_eq!(self.rung.recv_timeout(PATIENCE), Ok(5)),
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// The whole conversation in words.
    fn hear(&mut self, handle: Handle) -> String {
        let mut text = String::new();
        loop {
            let bytes = self.next(handle);
            let mut fields = Fields::new(&bytes);
            match fields.u8().unwrap() {
                1 => text += fields.text().unwrap(),
                2 => return format!("{text} | whole {}", fields.text().unwrap()),
                _ => {
                    let (code, message) = (fields.text().unwrap(), fields.text().unwrap());
                    let retry = fields.u32().unwrap();
                    let retry = if retry > 0 { format!(" (after {retry} ms)") } else { String::new() };
                    return format!("{text} | {code}: {message}{retry}");
                }
            }
        }
    }
}

/// What a world hears from a server that does these steps, if it waits so long for a word and for all.
fn heard_within(idle_ms: u32, total_ms: u32, steps: Vec<Step>) -> String {
    let server = serve(steps);
    let mut world = unconfigured();
    let handle = world.ask(question(&server.address, idle_ms, total_ms, 1000));
    world.hear(handle)
}

/// What it hears if it waits long.
fn heard(steps: Vec<Step>) -> String {
    heard_within(LONG_MS, LONG_MS, steps)
}

fn check(steps: Vec<Step>, expect: &str) {
    let heard = heard(steps);
    assert!(heard.starts_with(expect), "heard {heard:?} instead of {expect:?}");
}

#[test]
fn a_right_answer_comes_in_pieces() {
    let server = serve(vec![stream(), raw(": hello\n\n"), piece("sq"), pause(50), piece("uare\n\t^ sélf * self"), finish()]);
    let mut world = unconfigured();
    let handle = world.ask(question(&server.address, LONG_MS, LONG_MS, 1000));
    assert_eq!(world.hear(handle), "square\n\t^ sélf * self | whole stop");
    let request = server.seen.recv().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
    let body: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["messages"][1]["content"], "Why \"is\"\nit?");
    assert_eq!(body["stream"], true);
    // After its end nothing comes any more (Q1), and a closed question is stale (Q2).
    let after = world.call(ModelOperation::Next, Some(handle), Packed::default());
    assert!(matches!(after, Err(Refusal::Failed { code: "closed", .. })), "{after:?}");
    world.call(ModelOperation::Close, Some(handle), Packed::default()).unwrap();
    for operation in [ModelOperation::Next, ModelOperation::GiveUp, ModelOperation::Close] {
        assert_eq!(world.call(operation, Some(handle), Packed::default()), Err(Refusal::Stale));
    }
    let earlier = Handle { session: 6, ..handle };
    assert_eq!(world.call(ModelOperation::Next, Some(earlier), Packed::default()), Err(Refusal::Stale));
}

#[test]
fn an_answer_in_one_piece_is_understood() {
    let body = r#"{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
    check(vec![head("200 OK", "application/json", ""), raw(body)], "hi | whole stop");
    let chunked = "5\r\ndata:\r\n3\r\n [D\r\n6\r\nONE]\n\n\r\n0\r\n\r\n";
    check(vec![head("200 OK", "text/event-stream", "transfer-encoding: chunked\r\n"), raw(chunked)], " | whole ");
}

#[test]
fn garbage_is_called_so() {
    check(vec![raw("SSH-2.0-OpenSSH_9.6\r\n")], " | garbage: no sensible answer");
    check(vec![head("200 OK", "text/html", ""), raw("<html>")], " | garbage: the answer is \"text/html\"");
    check(vec![head("200 OK", "application/json", ""), raw("<html>")], " | garbage: the answer is not JSON");
    check(vec![stream(), raw("<html>\n")], " | garbage: a line of the answer is no event");
    check(vec![stream(), piece("a"), raw("data: {\"choices\"\n\n")], "a | garbage: the answer is not JSON");
    check(vec![stream(), Step::Send(b"data: \xff\xfe\n\n".to_vec())], " | garbage: the answer is not UTF-8");
}

#[test]
fn refusals_of_the_server_have_words() {
    let said = r#"{"error":{"message":"no such key"}}"#;
    check(
        vec![head("401 Unauthorized", "application/json", ""), raw(said)],
        " | denied: the key was not accepted (401): the server says: no such key",
    );
    check(
        vec![head("429 Too Many Requests", "text/plain", "retry-after: 7\r\n"), raw("slow down")],
        " | busy: the server wants to be asked later (429): slow down (after 7000 ms)",
    );
    check(vec![head("500 Oops", "text/plain", "")], " | server: the server failed (500)");
    check(vec![head("400 Bad", "text/plain", ""), raw("a\x1b[2Jb")], " | refused: the server does not want the question (400): a [2Jb");
    check(vec![stream(), piece("a"), raw("data: {\"error\":{\"message\":\"gone\"}}\n\n")], "a | server: the server says: gone");
}

#[test]
fn nobody_goes_where_the_server_points() {
    let other = serve(vec![stream(), piece("gotcha"), finish()]);
    let moved = format!("location: {}/chat/completions\r\n", other.address);
    check(vec![head("307 Temporary Redirect", "text/plain", &moved)], " | refused: the server points elsewhere, where nobody goes (307)");
    assert!(other.seen.try_recv().is_err());
}

#[test]
fn a_cut_answer_is_not_taken_for_whole() {
    check(vec![stream(), piece("half")], "half | cut: the answer broke off");
    check(vec![stream(), piece("half"), Step::Reset], "half | cut");
    let short = "content-length: 9000\r\n";
    check(vec![head("200 OK", "text/event-stream", short), piece("half")], "half | cut");
    check(vec![head("200 OK", "application/json", short), raw("{")], " | cut");
    check(vec![Step::Reset], " | ");
}

#[test]
fn silence_and_slowness_end() {
    // The server holds on: what ends is ended by the one who waits.
    assert_eq!(heard_within(400, LONG_MS, vec![Step::Hold]), " | silent: nothing came for too long");
    let words = heard_within(3000, LONG_MS, vec![stream(), piece("a"), Step::Hold]);
    assert_eq!(words, "a | silent: nothing came for too long");
    let drops = (0..100).flat_map(|_| [piece("x"), pause(100)]);
    let words = heard_within(LONG_MS, 2000, [stream()].into_iter().chain(drops).chain([Step::Hold]).collect());
    assert!(words.contains(" | timeout: "), "{words}");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let flood: Vec<Step> = (0..50).map(|_| piece(&"x".repeat(100))).collect();
    let words = heard([vec![stream()], flood].concat());
    assert!(words.ends_with(" | tooLong: the answer has more than 1000 bytes"), "{words}");
    let line = "x".repeat(2 << 20);
    let words = heard(vec![stream(), raw("data: \""), raw(&line)]);
    assert!(words.contains("tooLong"), "{words}");
}

#[test]
fn a_question_can_be_given_up_while_the_server_is_silent() {
    let server = serve(vec![stream(), piece("a"), Step::Hold]);
    let mut world = unconfigured();
    let handle = world.ask(question(&server.address, LONG_MS, LONG_MS, 1000));
    assert_eq!(Fields::new(&world.next(handle)[1..]).text(), Ok("a"));
    let refused = world.call(ModelOperation::Next, Some(handle), Packed::default());
    assert_eq!(refused, Err(Refusal::WouldBlock));
    world.call(ModelOperation::GiveUp, Some(handle), Packed::default()).unwrap();
    assert_eq!(world.hear(handle), " | cancelled: the question was given up");
}

#[test]
fn what_is_not_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut world = unconfigured();
    let handle = world.ask(question(&format!("http://127.0.0.1:{port}/v1"), LONG_MS, LONG_MS, 1000));
    assert!(world.hear(handle).starts_with(" | unreachable: the address is not reached"));
}

#[test]
fn only_the_configured_address_and_this_machine_are_asked() {
    let mut world = unconfigured();
    let refused = world.call(ModelOperation::Ask, None, question("", 1, 1, 1));
    assert!(matches!(refused, Err(Refusal::Failed { code: "notConfigured", .. })), "{refused:?}");
    for address in ["https://models.example/v1", "http://models.example", "http://localhost@models.example/"] {
        let refused = world.call(ModelOperation::Ask, None, question(address, 1, 1, 1));
        assert!(matches!(refused, Err(Refusal::Failed { code: "denied", .. })), "{refused:?}");
    }
    let cut = world.call(ModelOperation::Ask, None, Packed::default().text("http://localhost"));
    assert!(matches!(cut, Err(Refusal::Malformed(_))), "{cut:?}");
}

#[test]
fn the_key_goes_to_the_configured_address_only() {
    let right = serve(vec![stream(), piece("yes"), finish()]);
    let other = serve(vec![stream(), piece("yes"), finish()]);
    let path = std::env::temp_dir().join(format!("warm-scribe-key-{}", std::process::id()));
    std::fs::write(&path, format!("address = {}\nmodel = m1\nkey = s3cret\n", right.address)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut world = world(SettingsSource::at(&path));
    let handle = world.ask(question("", LONG_MS, LONG_MS, 1000));
    assert_eq!(world.hear(handle), "yes | whole stop");
    let request = right.seen.recv().unwrap();
    assert!(request.contains("Bearer s3cret") && request.contains("\"model\":\"m1\""), "{request}");
    let handle = world.ask(question(&other.address, LONG_MS, LONG_MS, 1000));
    assert_eq!(world.hear(handle), "yes | whole stop");
    assert!(!other.seen.recv().unwrap().contains("s3cret"));
    let told = world.call(ModelOperation::Settings, None, Packed::default()).unwrap().bytes;
    assert!(!String::from_utf8_lossy(&told).contains("s3cret"));
    assert_eq!(Fields::new(&told[1..]).text(), Ok(right.address.as_str()));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_server_that_repeats_the_key_tells_it_to_nobody() {
    let said = r#"{"error":{"message":"Incorrect API key provided: s3cret-9"}}"#;
    let told = [
        (vec![head("401 Unauthorized", "application/json", ""), raw(said)], " | denied: the key was not accepted (401): the server says: Incorrect API key provided: (the key)"),
        (vec![stream(), piece("it is s3cret-9!"), finish()], "it is (the key)! | whole stop"),
        (vec![stream(), raw("s3cret-9\n")], " | garbage: a line of the answer is no event: (the key)"),
    ];
    let path = std::env::temp_dir().join(format!("warm-scribe-told-{}", std::process::id()));
    for (steps, expect) in told {
        let server = serve(steps);
        std::fs::write(&path, format!("address = {}\nkey = s3cret-9\n", server.address)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut world = world(SettingsSource::at(&path));
        let handle = world.ask(question("", LONG_MS, LONG_MS, 1000));
        assert_eq!(world.hear(handle), expect);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn questions_at_once_are_bounded() {
    let server = serve(vec![Step::Hold]);
    let mut world = unconfigured();
    let handles: Vec<Handle> = (0..16).map(|_| world.ask(question(&server.address, LONG_MS, LONG_MS, 10))).collect();
    let refused = world.call(ModelOperation::Ask, None, question(&server.address, LONG_MS, LONG_MS, 10));
    assert!(matches!(refused, Err(Refusal::Failed { code: "full", .. })), "{refused:?}");
    world.call(ModelOperation::Close, Some(handles[3]), Packed::default()).unwrap();
    world.ask(question(&server.address, LONG_MS, LONG_MS, 10));
}
