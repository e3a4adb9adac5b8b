//! The server as its clients meet it: over HTTP, ended gently and not so gently.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(store: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tasks"))
            .args([store.to_str().unwrap(), "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { process, address }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end.
    fn terminate(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.try_ask(method, path, headers, body).unwrap()
    }

    fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Response> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request(method, path, headers, body).as_bytes())?;
        Response::read(stream)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        self.ask(method, path, &[], &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Content-Type") {
        head += "Content-Type: application/json\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[derive(Debug)]
struct Response {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Response {
    /// An answer that is not whole is none.
    fn read(mut stream: TcpStream) -> std::io::Result<Self> {
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() != length {
            return Err(broken());
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
        Ok(Self { status: status.ok_or_else(broken)?, headers, body })
    }

    fn tag(&self) -> &str {
        &self.headers["etag"]
    }
}

#[test]
fn answers_are_what_clients_expect() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("tasks.pivot"));

    // Made under an id of the server's.
    let made = server.send("POST", "/tasks", &json!({"title": "write tests"}));
    assert_eq!((made.status, &made.body["done"]), (201, &json!(false)));
    let path = made.headers["location"].clone();
    let read = server.ask("GET", &path, &[], "");
    assert_eq!((read.status, &read.body, read.tag()), (200, &made.body, made.tag()));
    assert_eq!(server.ask("GET", &path, &[("If-None-Match", made.tag())], "").status, 304);
    assert_eq!(server.ask("GET", "/tasks/none", &[], "").status, 404);

    // Under one of the client's, once; also one that needs escaping.
    assert_eq!(server.send("POST", "/tasks", &json!({"id": "a/b c", "title": "x"})).status, 201);
    assert_eq!(server.send("POST", "/tasks", &json!({"id": "a/b c", "title": "y"})).status, 409);
    assert_eq!(server.ask("GET", "/tasks/a%2Fb%20c", &[], "").body["title"], "x");
    let long = "x".repeat(2000);
    assert_eq!(server.send("POST", "/tasks", &json!({"id": long, "title": "x"})).status, 422);

    // What is no JSON, JSON that is no task, too much, and no content type.
    assert_eq!(server.ask("POST", "/tasks", &[], "{\"title\":").status, 400);
    assert_eq!(server.send("POST", "/tasks", &json!({"title": 7})).status, 422);
    assert_eq!(server.send("POST", "/tasks", &json!({"title": "x".repeat(100_000)})).status, 413);
    assert_eq!(server.ask("POST", "/tasks", &[("Content-Type", "text/plain")], "{}").status, 415);
    assert_eq!(server.ask("GET", "/tasks?limit=many", &[], "").status, 400);
    assert_eq!(server.ask("POST", &path, &[], "{}").status, 405);

    // Writes on condition of what was read.
    let task = json!({"title": "write more tests", "done": true}).to_string();
    let unconditional = server.ask("PUT", &path, &[], &task);
    assert_eq!(unconditional.status, 428);
    let put = server.ask("PUT", &path, &[("If-Match", made.tag())], &task);
    assert_eq!((put.status, &put.body["done"]), (200, &json!(true)));
    assert_ne!(put.tag(), made.tag());
    let late = server.ask("PUT", &path, &[("If-Match", made.tag())], "{\"title\": \"lost\"}");
    assert_eq!((late.status, late.body["error"].is_string()), (412, true));
    assert_eq!(server.ask("PUT", &path, &[("If-None-Match", "*")], &task).status, 412);
    assert_eq!(server.ask("PUT", "/tasks/new", &[("If-Match", "*")], &task).status, 412);
    assert_eq!(server.ask("PUT", "/tasks/new", &[("If-None-Match", "*")], &task).status, 201);

    let patch = |condition: &str, patch: Value| {
        let headers = [("If-Match", condition), ("Content-Type", "application/merge-patch+json")];
        server.ask("PATCH", &path, &headers, &patch.to_string())
    };
    let patched = patch(put.tag(), json!({"tags": ["urgent"], "done": null}));
    assert_eq!((patched.status, &patched.body["done"]), (200, &json!(false)), "removed, so the default");
    assert_eq!(patch(put.tag(), json!({"done": true})).status, 412);
    assert_eq!(patch("*", json!({"title": null})).status, 422, "a task has a title");
    assert_eq!(server.ask("GET", &path, &[], "").tag(), patched.tag(), "nothing was written");
    assert_eq!(server.send("PATCH", "/tasks/none", &json!({})).status, 404);

    assert_eq!(server.ask("DELETE", &path, &[("If-Match", put.tag())], "").status, 412);
    assert_eq!(server.ask("DELETE", &path, &[("If-Match", patched.tag())], "").status, 204);
    assert_eq!(server.ask("DELETE", &path, &[], "").status, 404);

    // A tag of what was there before is no tag of what is there now.
    let before = server.send("POST", "/tasks", &json!({"id": "again", "title": "one"}));
    assert_eq!(server.ask("DELETE", "/tasks/again", &[], "").status, 204);
    let now = server.send("POST", "/tasks", &json!({"id": "again", "title": "two"}));
    assert_ne!(before.tag(), now.tag());

    let page = |query: &str| {
        let page = server.ask("GET", &format!("/tasks{query}"), &[], "").body;
        page.as_array()
            .unwrap()
            .iter()
            .map(|task| task["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(page(""), ["a/b c", "again", "new"]);
    assert_eq!(page("?limit=1"), ["a/b c"]);
    assert_eq!(page("?after=again"), ["new"]);

    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn of_many_who_change_the_same_each_change_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("tasks.pivot"));
    assert_eq!(server.send("POST", "/tasks", &json!({"id": "list", "title": ""})).status, 201);
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (server, refused) = (&server, &refused);
            scope.spawn(move || {
                for n in 0..10 {
                    loop {
                        let read = server.ask("GET", "/tasks/list", &[], "");
                        let mut task = read.body.clone();
                        task["tags"].as_array_mut().unwrap().push(json!(format!("{writer}-{n}")));
                        let headers = [("If-Match", read.tag())];
                        match server.ask("PUT", "/tasks/list", &headers, &task.to_string()).status {
                            200 => break,
                            412 => refused.fetch_add(1, Ordering::Relaxed),
                            other => panic!("{other}"),
                        };
                    }
                }
            });
        }
    });
    let list = server.ask("GET", "/tasks/list", &[], "");
    assert_eq!(list.body["tags"].as_array().unwrap().len(), 40);
    println!("{} of 40 changes were refused and repeated", refused.into_inner());
}

/// What clients have been told: the answer to the last request for each task that was answered. A request that was not answered may have been
/// carried out or not.
#[derive(Debug, Default)]
struct Told {
    tasks: BTreeMap<String, Value>,
    unanswered: BTreeMap<String, Option<Value>>,
}

/// What is not as it was told.
fn broken_promises(server: &Server, told: &Told) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, task) in &told.tasks {
        let found = server.ask("GET", &format!("/tasks/{id}"), &[], "");
        let possible = told.unanswered.get(id);
        let as_told = found.status == 200 && found.body == *task;
        let as_asked = match possible {
            Some(Some(asked)) => found.status == 200 && found.body == *asked,
            Some(None) => found.status == 404,
            None => false,
        };
        if !as_told && !as_asked {
            broken.push(format!("{task} is now {} {}", found.status, found.body));
        }
    }
    broken
}

/// Makes tasks and changes some of them until the server is gone.
fn work(server: &Server, client: usize, round: usize, told: &mut Told, answers: &AtomicUsize) {
    for n in 0.. {
        let id = format!("{round}-{client}-{n}");
        let task = json!({"id": id, "title": "t".repeat(n % 300), "done": false, "tags": []});
        let Ok(made) = server.try_ask("POST", "/tasks", &[], &task.to_string()) else { return };
        assert_eq!((made.status, &made.body), (201, &task));
        told.tasks.insert(id.clone(), task.clone());
        answers.fetch_add(1, Ordering::Relaxed);
        if n % 3 == 0 {
            let mut changed = task;
            changed["done"] = json!(true);
            let path = format!("/tasks/{id}");
            match server.try_ask("PUT", &path, &[("If-Match", made.tag())], &changed.to_string()) {
                Ok(put) => {
                    assert_eq!((put.status, &put.body), (200, &changed));
                    told.tasks.insert(id, changed);
                }
                Err(_) => {
                    told.unanswered.insert(id, Some(changed));
                    return;
                }
            }
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn everything_acknowledged_is_there_after_sigkill() {
    const CLIENTS: usize = 4;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.pivot");
    let mut all = Told::default();
    for round in 0..4 {
        let server = Server::start(&path);
        assert_eq!(broken_promises(&server, &all), [""; 0], "after {round} kills");
        let answers = AtomicUsize::new(0);
        let told = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (server, answers) = (&server, &answers);
                    scope.spawn(move || {
                        let mut told = Told::default();
                        work(server, client, round, &mut told, answers);
                        told
                    })
                })
                .collect();
            while answers.load(Ordering::Relaxed) < 60 + 20 * round {
                thread::sleep(Duration::from_millis(1));
            }
            let id = server.process.id().to_string();
            assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
            clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        server.kill();
        for told in told {
            all.tasks.extend(told.tasks);
            all.unanswered.extend(told.unanswered);
        }
    }
    let server = Server::start(&path);
    assert_eq!(broken_promises(&server, &all), [""; 0]);

    // The control: of three promises broken on purpose each is found.
    let ids: Vec<_> =
        all.tasks.keys().filter(|id| !all.unanswered.contains_key(*id)).take(3).cloned().collect();
    let deleted = server.ask("DELETE", &format!("/tasks/{}", ids[0]), &[], "");
    let changed = server.ask("PATCH", &format!("/tasks/{}", ids[1]), &[], "{\"title\": \"other\"}");
    assert_eq!((deleted.status, changed.status), (204, 200));
    all.tasks.insert("never made".replace(' ', "-"), json!({}));
    assert_eq!(broken_promises(&server, &all).len(), 3);
    println!("axum, kill: 4 kills, {} tasks acknowledged and found, control caught", all.tasks.len() - 1);
}

#[test]
fn whoever_has_been_let_in_is_answered_before_the_server_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tasks.pivot");
    let server = Server::start(&path);
    // Half of a request, then the end is announced, then the other half.
    let body = json!({"id": "late", "title": "almost missed"}).to_string();
    let whole = request("POST", "/tasks", &[], &body);
    let (first, second) = whole.split_at(whole.len() - 10);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    // The server has begun to read it once it has answered somebody who came later.
    assert_eq!(server.ask("GET", "/tasks", &[], "").status, 200);
    server.terminate();
    let refused = AtomicBool::new(false);
    for _ in 0..6000 {
        if TcpStream::connect(&server.address).is_err() {
            refused.store(true, Ordering::Relaxed);
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(refused.into_inner(), "nobody else is let in");
    stream.write_all(second.as_bytes()).unwrap();
    assert_eq!(Response::read(stream).unwrap().status, 201);
    assert!(server.wait().success());

    let server = Server::start(&path);
    assert_eq!(server.ask("GET", "/tasks/late", &[], "").body["title"], "almost missed");
    // A successor waits until its predecessor has let go of the store.
    let successor = thread::scope(|scope| {
        let successor = scope.spawn(|| Server::start(&path));
        thread::sleep(Duration::from_millis(300));
        assert!(!successor.is_finished());
        server.terminate();
        successor.join().unwrap()
    });
    assert_eq!(successor.ask("GET", "/tasks/late", &[], "").status, 200);
    assert!(server.wait().success());
}
