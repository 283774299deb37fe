//! The NBD protocol, spoken by a small client of our own over a socket.

use blockserver::nbd::{self, answer, command, option};
use blockserver::Device;
use platform::Store;
use platform_sim::{Medium, Survivors};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

const BYTES: u64 = 1 << 20;

struct Client<S> {
    stream: S,
    cookie: u64,
}

impl<S: Read + Write> Client<S> {
    fn greet(mut stream: S, flags: u32) -> Client<S> {
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).expect("a greeting");
        assert_eq!(greeting[..8], *b"NBDMAGIC");
        assert_eq!(greeting[8..16], *b"IHAVEOPT");
        assert_eq!(greeting[16..], nbd::HANDSHAKE_FLAGS.to_be_bytes());
        stream.write_all(&flags.to_be_bytes()).expect("flags");
        Client { stream, cookie: 0 }
    }

    fn ask(&mut self, option: u32, data: &[u8]) {
        self.stream.write_all(&nbd::OPTION.to_be_bytes()).expect("magic");
        self.stream.write_all(&option.to_be_bytes()).expect("option");
        self.stream.write_all(&(data.len() as u32).to_be_bytes()).expect("length");
        self.stream.write_all(data).expect("data");
    }

    fn answer(&mut self, option: u32) -> (u32, Vec<u8>) {
        let mut head = [0; 20];
        self.stream.read_exact(&mut head).expect("a reply");
        assert_eq!(head[..8], nbd::OPTION_REPLY.to_be_bytes());
        assert_eq!(head[8..12], option.to_be_bytes());
        let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let mut data = vec![0; number(16) as usize];
        self.stream.read_exact(&mut data).expect("data");
        (number(12), data)
    }

    fn go(&mut self) {
        self.ask(option::GO, &[0, 0, 0, 0, 0, 0]);
        let (kind, info) = self.answer(option::GO);
        assert_eq!(kind, answer::INFO);
        assert_eq!(info[..2], [0, 0]);
        assert_eq!(info[2..10], BYTES.to_be_bytes());
        assert_eq!(info[10..], nbd::TRANSMISSION_FLAGS.to_be_bytes());
        assert_eq!(self.answer(option::GO).0, answer::ACK);
    }

    fn send(&mut self, command: u16, flags: u16, offset: u64, length: u32, data: &[u8]) -> io::Result<()> {
        self.cookie += 1;
        let mut request = nbd::REQUEST.to_be_bytes().to_vec();
        request.extend(flags.to_be_bytes());
        request.extend(command.to_be_bytes());
        request.extend(self.cookie.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        request.extend(data);
        self.stream.write_all(&request)
    }

    fn call(&mut self, command: u16, flags: u16, offset: u64, length: u32, data: &[u8]) -> u32 {
        self.send(command, flags, offset, length, data).expect("a request");
        let mut reply = [0; 16];
        self.stream.read_exact(&mut reply).expect("a reply");
        assert_eq!(reply[..4], nbd::REPLY.to_be_bytes());
        assert_eq!(reply[8..], self.cookie.to_be_bytes());
        u32::from_be_bytes(reply[4..8].try_into().expect("four bytes"))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> u32 {
        self.call(command::WRITE, 0, offset, data.len() as u32, data)
    }

    fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, u32> {
        match self.call(command::READ, 0, offset, length, &[]) {
            0 => {
                let mut data = vec![0; length as usize];
                self.stream.read_exact(&mut data).expect("data");
                Ok(data)
            }
            error => Err(error),
        }
    }
}

fn served(flags: u32) -> (Device, Client<UnixStream>, JoinHandle<io::Result<()>>) {
    let device = Device::new(Medium::new(BYTES));
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let serving = device.clone();
    let server = std::thread::spawn(move || nbd::serve(&serving, &mut ours));
    (device, Client::greet(theirs, flags), server)
}

#[test]
fn what_is_written_is_read_and_a_flush_makes_it_durable() {
    let (device, mut client, server) = served(3);
    client.go();
    assert_eq!(client.write(4_096, &[7; 1_000]), 0);
    assert_eq!(client.read(4_000, 200), Ok([vec![0; 96], vec![7; 104]].concat()));
    assert_eq!(device.store().pending(), 1);
    assert_eq!(client.call(command::FLUSH, 0, 0, 0, &[]), 0);
    assert_eq!(device.store().pending(), 0);
    assert_eq!(client.call(command::WRITE, command::FUA, 0, 4, b"fast"), 0);
    assert_eq!(device.store().pending(), 0, "FUA flushes");
    assert_eq!(client.call(command::TRIM, 0, 4_096, 4_096, &[]), 0);
    assert_eq!(client.read(4_096, 3), Ok(vec![0; 3]));
    client.send(command::DISCONNECT, 0, 0, 0, &[]).expect("a farewell");
    server.join().expect("no panic").expect("a clean end");
}

#[test]
fn a_cut_loses_what_was_not_flushed() {
    let (device, mut client, _server) = served(3);
    client.go();
    client.write(0, b"kept");
    client.call(command::FLUSH, 0, 0, 0, &[]);
    client.write(4, b"lost");
    device.cut(&Survivors::Nothing);
    assert_eq!(client.read(0, 8), Ok(b"kept\0\0\0\0".to_vec()), "the device is back with what it had");
}

#[test]
fn errors_are_answered_and_the_session_goes_on() {
    let (device, mut client, _server) = served(3);
    client.go();
    assert_eq!(client.read(BYTES - 4, 8), Err(22));
    assert_eq!(client.write(BYTES - 4, &[1; 8]), 22);
    assert_eq!(client.call(command::READ, 0, 0, u32::MAX, &[]), 22);
    assert_eq!(client.call(99, 0, 0, 0, &[]), 22);
    device.fail_after(0);
    assert_eq!(client.write(0, &[1; 8]), 5);
    assert_eq!(client.call(command::FLUSH, 0, 0, 0, &[]), 5);
    device.cut(&Survivors::Nothing);
    assert_eq!(client.write(0, &[1; 8]), 0);
}

#[test]
fn options_are_listed_described_declined_and_aborted() {
    let (_device, mut client, server) = served(3);
    client.ask(option::LIST, &[]);
    assert_eq!(client.answer(option::LIST), (answer::SERVER, vec![0; 4]));
    assert_eq!(client.answer(option::LIST).0, answer::ACK);
    client.ask(5, &[]);
    assert_eq!(client.answer(5).0, answer::UNSUPPORTED, "no TLS here");
    client.ask(option::GO, &[0, 0, 0, 200, 1]);
    assert_eq!(client.answer(option::GO).0, answer::INVALID);
    client.ask(option::INFO, &[0, 0, 0, 2, b'a', b'b', 0, 1, 0, 3]);
    assert_eq!(client.answer(option::INFO).0, answer::INFO);
    assert_eq!(client.answer(option::INFO).0, answer::ACK);
    client.ask(option::ABORT, &[]);
    assert_eq!(client.answer(option::ABORT).0, answer::ACK);
    server.join().expect("no panic").expect("a clean end");
}

#[test]
fn an_old_client_begins_by_name_with_zeroes() {
    let (_device, mut client, _server) = served(1);
    client.ask(option::EXPORT_NAME, b"any");
    let mut description = [1; 134];
    client.stream.read_exact(&mut description).expect("a description");
    assert_eq!(description[..8], BYTES.to_be_bytes());
    assert_eq!(description[8..10], nbd::TRANSMISSION_FLAGS.to_be_bytes());
    assert!(description[10..].iter().all(|byte| *byte == 0));
    assert_eq!(client.read(0, 1), Ok(vec![0]));
}

#[test]
fn nonsense_ends_the_session_with_an_error() {
    for nonsense in [vec![0xff; 16], [nbd::OPTION.to_be_bytes().to_vec(), vec![0xff; 8]].concat()] {
        let (_device, mut client, server) = served(3);
        client.stream.write_all(&nonsense).expect("sent");
        drop(client);
        assert!(server.join().expect("no panic").is_err());
    }
    let (_device, mut client, server) = served(3);
    client.go();
    client.stream.write_all(&[0; 28]).expect("sent");
    drop(client);
    assert!(server.join().expect("no panic").is_err());
}

#[test]
fn it_speaks_over_loopback_too() {
    let device = Device::new(Medium::new(BYTES));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = device.clone();
    let server = std::thread::spawn(move || nbd::serve(&serving, &mut listener.accept().expect("a client").0));
    let mut client = Client::greet(TcpStream::connect(address).expect("a connection"), 3);
    client.go();
    assert_eq!(client.write(8, b"over tcp"), 0);
    assert_eq!(client.read(8, 8), Ok(b"over tcp".to_vec()));
    client.send(command::DISCONNECT, 0, 0, 0, &[]).expect("a farewell");
    server.join().expect("no panic").expect("a clean end");
    assert_eq!(device.store().len().expect("length"), BYTES);
}
