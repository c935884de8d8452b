use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluxbot_api::Reason;
use fluxbot_api::image::ImagePolicy;
use http::{Request, Response};
use kube::client::Body;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    Announce, Attempt, Caches, Context, Destinations, Done, Drive, Events, Failure, Guarded, Health,
    Leadership, Lists, Metrics, Observer, Options, Queue, Queues, Reconciler, Recovery, Requeue, drive,
    watch_secrets,
};
use crate::http::HttpClients;
use crate::objects::ObjectKey;

/// An object as an API server would have it; each patch that it gets is merged and gives it the next version.
#[derive(Debug)]
struct Server {
    object: Mutex<Value>,
    /// The password in the only Secret, and its version.
    secret: Mutex<(&'static str, u32)>,
}

impl Server {
    fn new() -> Arc<Self> {
        let object = json!({
            "apiVersion": "image.toolkit.fluxcd.io/v1",
            "kind": "ImagePolicy",
            "metadata": { "name": "app", "namespace": "ns", "uid": "u", "resourceVersion": "1", "generation": 1 },
            "spec": { "imageRepositoryRef": { "name": "app" }, "policy": { "semver": { "range": "1.x" } } },
        });
        Arc::new(Self {
            object: Mutex::new(object),
            secret: Mutex::new(("wrong", 1)),
        })
    }

    fn object(&self) -> Value {
        self.object.lock().unwrap().clone()
    }

    fn secret(&self) -> Value {
        let (password, version) = *self.secret.lock().unwrap();
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, password);
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "git", "namespace": "ns", "resourceVersion": version.to_string() },
            "data": { "password": data },
        })
    }

    /// A client whose patches take a while, so that they overlap with what the run does.
    fn client(self: &Arc<Self>) -> kube::Client {
        let server = Arc::clone(self);
        let answer = move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move {
                if request.uri().path().contains("/secrets/") {
                    return Ok(Response::new(Body::from(
                        server.secret().to_string().into_bytes(),
                    )));
                }
                let is_patch = request.method() == http::Method::PATCH;
                let body = request.into_body().collect_bytes().await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
                let mut object = server.object.lock().unwrap();
                if is_patch {
                    merge(&mut object, &serde_json::from_slice(&body).unwrap());
                    let version: u64 = object["metadata"]["resourceVersion"]
                        .as_str()
                        .unwrap()
                        .parse()
                        .unwrap();
                    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
                }
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(object.to_string().into_bytes())))
            }
        };
        kube::Client::new(tower::service_fn(answer), "default")
    }
}

fn merge(object: &mut Value, patch: &Value) {
    let (Value::Object(fields), Value::Object(patch)) = (&mut *object, patch) else {
        *object = patch.clone();
        return;
    };
    for (key, value) in patch {
        merge(fields.entry(key.clone()).or_insert(Value::Null), value);
    }
}

pub(super) fn context(client: kube::Client) -> Context {
    let metrics = Arc::new(Metrics::default());
    let destinations = Destinations {
        client: client.clone(),
        instance: "test".to_owned(),
        address: None,
        http: HttpClients::new(),
    };
    let (events, _) = Events::start(destinations, Arc::clone(&metrics));
    let options = Options {
        namespace: "ns".to_owned(),
        storage: std::path::PathBuf::new(),
        concurrent: 1,
        no_cross_namespace_refs: false,
        no_remote_bases: false,
        default_service_account: None,
        requeue_dependency: Duration::from_secs(30),
        replaced_controllers: Arc::default(),
        commit_message: crate::committer::MessagePreset::default(),
    };
    Context {
        client,
        options: Arc::new(options),
        caches: Arc::new(Caches::default()),
        lists: Arc::new(Lists::default()),
        queues: Arc::new(Queues::default()),
        leadership: Leadership::default(),
        events,
        metrics,
        http: HttpClients::new(),
        pushes: Arc::default(),
    }
}

fn done(message: &str) -> Done {
    Done {
        reason: Reason::Succeeded,
        message: message.to_owned(),
        requeue: Requeue::OnChange,
        announce: Announce::Nothing,
    }
}

/// The driver of one kind with one object, which is due.
struct Driven {
    server: Arc<Server>,
    context: Context,
    queue: Arc<Queue>,
    stop: CancellationToken,
    driving: tokio::task::JoinHandle<()>,
}

impl Driven {
    fn start<R: Reconciler<Kind = ImagePolicy>>(reconciler: impl FnOnce(&Context) -> R) -> Self {
        let server = Server::new();
        let context = context(server.client());
        let observer = Observer::new(
            context.clone(),
            |context| &context.caches.image_policies,
            Box::new(|_, _, _| {}),
        );
        let object: Guarded<ImagePolicy> = serde_json::from_value(server.object()).unwrap();
        observer.cache().observe(Event::Apply(object));
        context.lists.complete();
        let queue = Arc::clone(&context.queues.image_policies);
        queue.wake(&ObjectKey::new("ns", "app"));
        let stop = CancellationToken::new();
        let task = Drive {
            reconciler: reconciler(&context),
            context: context.clone(),
            observer: Arc::new(observer),
            queue: Arc::clone(&queue),
            concurrent: 1,
            halt: CancellationToken::new(),
            stop: stop.clone(),
        };
        let driving = tokio::spawn(drive(task, Health::default().heart("test")));
        Self {
            server,
            context,
            queue,
            stop,
            driving,
        }
    }

    /// Waits until the queue is in a state and the object's `Ready` is, too.
    async fn until(&self, counts: (usize, usize), ready: impl Fn(&str) -> bool) {
        let is_ready = || {
            let object = self.server.object();
            let conditions = object["status"]["conditions"].as_array().cloned();
            let mut conditions = conditions.unwrap_or_default().into_iter();
            conditions.any(|condition| {
                condition["type"] == "Ready" && condition["status"].as_str().is_some_and(&ready)
            })
        };
        let reached = async {
            while self.queue.counts() != counts || !is_ready() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_hours(1), reached)
            .await
            .expect("the run ends");
    }

    async fn end(self) -> Value {
        self.stop.cancel();
        self.driving.await.unwrap();
        self.server.object()
    }
}

/// Runs the object once with a reconciler, and gives what the server has afterwards.
async fn run_once<R: Reconciler<Kind = ImagePolicy>>(reconciler: R) -> Value {
    let driven = Driven::start(|_| reconciler);
    driven.until((0, 0), |status| status != "Unknown").await;
    driven.end().await
}

fn ready(object: &Value) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let ready = conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
        .unwrap();
    let text = |key: &str| ready[key].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

/// Saves its status at the very moment at which its progress is shown.
struct Saves;

impl Reconciler for Saves {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "test";

    async fn reconcile(&self, attempt: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        for step in 0..8_u64 {
            tokio::time::sleep(Duration::from_millis(130 * step)).await;
            attempt.progress(format!("step {step}"));
            attempt.status.observed_previous_image = Some(format!("image:{step}"));
            attempt.save().await.unwrap();
        }
        Ok(done("saved"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_saves_while_its_progress_is_shown_ends() {
    let object = run_once(Saves).await;
    assert_eq!(ready(&object), ("True".to_owned(), "saved".to_owned()));
    assert_eq!(object["status"]["observedPreviousImage"], "image:7");
    assert_eq!(object["status"]["observedGeneration"], 1);
    let conditions = object["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 1, "no progress is left over: {conditions:?}");
}

struct Panics;

impl Reconciler for Panics {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "test";

    async fn reconcile(&self, _: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        panic!("no such case")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_run_and_is_told_on_the_object() {
    let object = run_once(Panics).await;
    assert_eq!(
        ready(&object),
        ("False".to_owned(), "internal error: no such case".to_owned())
    );
}

struct Hangs;

impl Reconciler for Hangs {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "test";

    async fn reconcile(&self, attempt: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        attempt.progress("asking a server");
        std::future::pending().await
    }

    fn deadline(&self, _: &ImagePolicy) -> Duration {
        Duration::from_mins(1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_ended_at_its_deadline_and_says_what_it_did() {
    let object = run_once(Hangs).await;
    let message = "asking a server: did not end within 60 s".to_owned();
    assert_eq!(ready(&object), ("False".to_owned(), message));
}

struct Rests;

impl Reconciler for Rests {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "test";

    async fn reconcile(&self, attempt: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        attempt.slot.rest();
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_run_that_merely_watches() {
    let driven = Driven::start(|_| Rests);
    while driven.queue.counts() != (0, 1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = tokio::time::Instant::now();
    driven.end().await;
    assert!(asked.elapsed() < Duration::from_secs(1));
}

/// Fails until the Secret has the right password, and would wait for an hour.
struct Refused(Context);

impl Refused {
    fn secret() -> ObjectKey {
        ObjectKey::new("ns", "git")
    }
}

impl Reconciler for Refused {
    type Kind = ImagePolicy;

    const CONTROLLER: &'static str = "test";

    async fn reconcile(&self, _: &mut Attempt<ImagePolicy>) -> Result<Done, Failure> {
        let secret = self.0.secret(&Self::secret()).await.unwrap();
        if secret.values["password"] == b"right" {
            return Ok(done("accepted"));
        }
        let failure = Failure::new(Reason::AuthenticationFailed, "refused");
        Err(failure.recovery(Recovery::Wait(Duration::from_hours(1))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrected_secret_is_noticed_long_before_the_next_try() {
    let driven = Driven::start(|context| Refused(context.clone()));
    let secrets = Arc::clone(&driven.context.queues.secrets);
    let looking = tokio::spawn(watch_secrets(
        driven.server.client(),
        secrets,
        driven.stop.clone(),
    ));
    let waiting = |status: &'static str| driven.until((0, 0), move |ready| ready == status);
    waiting("False").await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    *driven.server.secret.lock().unwrap() = ("right", 2);
    let corrected = tokio::time::Instant::now();
    waiting("True").await;
    assert!(
        corrected.elapsed() < Duration::from_secs(10),
        "{:?}",
        corrected.elapsed()
    );
    driven.end().await;
    looking.await.unwrap();
}
