//! Random kustomizations over random objects, held against the original: `CONTRIBUTING.md` has the command.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::case::Case;

/// Numbers that look random and are the same for the same seed.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() >> 11).unwrap() % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Some of the items, in order.
    fn some<T: Clone>(&mut self, items: &[T], percent: usize) -> Vec<T> {
        items.iter().filter(|_| self.chance(percent)).cloned().collect()
    }
}

const NAMES: [&str; 6] = ["web", "api", "cm", "sa", "x", "cr"];
const NAMESPACES: [&str; 3] = ["default", "one", "two"];
const IMAGES: [&str; 6] = [
    "nginx:1.0",
    "nginx",
    "registry:5000/x/side@sha256:abc",
    "docker.io/library/nginx:2",
    "api:v1@sha256:aa",
    "x",
];

/// Texts in forms that no emitter writes.
const BLOCKS: [&str; 5] = [
    ">-\n    a\n      b\n    c",
    ">\n    a b\n    c\n\n      d",
    ">+\n    a\n\n     b\n\n",
    "|2\n      a\n    b",
    "'a\n\n    b'",
];

fn text(random: &mut Random) -> Value {
    const TEXTS: [&str; 24] = [
        "a",
        "x y",
        "yes",
        "null",
        "~",
        "1",
        "1.10",
        "0x1f",
        "010",
        "1e3",
        "true",
        "",
        " a",
        "a ",
        "a: b",
        "- a",
        "#x",
        "a\nb",
        "a\nb\n",
        "2024-01-02",
        "é",
        "$(V)",
        "a\tb",
        "'q'",
    ];
    if random.chance(10) {
        return Value::String("long words with spaces ".repeat(random.below(8) + 1));
    }
    Value::String(random.pick(&TEXTS).to_owned())
}

fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(random.below(100)),
        1 => json!(1.5),
        2 => json!(true),
        3 => Value::Null,
        4 => json!(9_007_199_254_740_993_u64),
        _ => text(random),
    }
}

fn texts(random: &mut Random) -> Value {
    const KEYS: [&str; 5] = ["app", "tier", "a.b/c", "v", "key"];
    let keys = random.some(&KEYS, 35);
    keys.into_iter()
        .map(|key| (key.to_owned(), text(random)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn metadata(random: &mut Random, name: &str) -> Value {
    let mut metadata = json!({"name": name});
    if random.chance(25) {
        metadata["namespace"] = json!(random.pick(&NAMESPACES));
    }
    if random.chance(30) {
        metadata["labels"] = texts(random);
    }
    match random.below(12) {
        0..3 => metadata["annotations"] = texts(random),
        3 => metadata["annotations"] = Value::Null,
        4 => metadata["annotations"] = json!({"n": scalar(random)}),
        _ => {}
    }
    metadata
}

fn container(random: &mut Random) -> Value {
    let name = random.pick(&["web", "side", "new"]);
    let mut container = json!({"name": name});
    if random.chance(80) {
        container["image"] = json!(random.pick(&IMAGES));
    }
    if random.chance(40) {
        let ports = [
            json!({"containerPort": 80}),
            json!({"containerPort": 80, "protocol": "UDP"}),
            json!({"containerPort": 53, "name": "dns"}),
        ];
        container["ports"] = random.some(&ports, 50).into();
    }
    if random.chance(40) {
        let env = [
            json!({"name": "A", "value": text(random)}),
            json!({"name": "B", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "b"}}}),
            json!({"name": "C", "valueFrom": {"secretKeyRef": {"name": "x", "key": "b"}}}),
        ];
        container["env"] = random.some(&env, 60).into();
    }
    if random.chance(20) {
        container["envFrom"] = json!([{"configMapRef": {"name": random.pick(&NAMES)}}]);
    }
    container
}

fn pod(random: &mut Random) -> Value {
    let count = random.below(3);
    let mut names = std::collections::BTreeSet::new();
    let containers: Vec<Value> = (0..=count)
        .map(|_| container(random))
        .filter(|container| names.insert(container["name"].to_string()))
        .collect();
    let mut spec = json!({"containers": containers});
    if random.chance(40) {
        spec["serviceAccountName"] = json!(random.pick(&NAMES));
    }
    if random.chance(40) {
        spec["volumes"] =
            json!([{"name": "v", "configMap": {"name": random.pick(&NAMES)}}, {"name": "e", "emptyDir": {}}]);
    }
    if random.chance(20) {
        spec["initContainers"] = json!([container(random)]);
    }
    if random.chance(15) {
        spec["tolerations"] = json!([{"key": "a"}, {"key": "b"}]);
    }
    let mut template = json!({"spec": spec});
    if random.chance(70) {
        template["metadata"] = json!({"labels": {"app": "web"}});
    }
    template
}

fn object(random: &mut Random) -> Value {
    let name = random.pick(&NAMES);
    let metadata = metadata(random, name);
    match random.below(14) {
        0..4 => {
            let kind = random.pick(&["Deployment", "StatefulSet", "DaemonSet"]);
            let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": pod(random)}});
            if random.chance(50) {
                object["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
            }
            if random.chance(30) {
                object["spec"]["replicas"] = json!(random.below(4));
            }
            object
        }
        4 => {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
        }
        5..7 => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"b": text(random), "c": text(random)}})
        }
        7 => {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"b": text(random)}})
        }
        8 => {
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": [{"name": random.pick(&NAMES)}]})
        }
        9 => {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": random.pick(&["RoleBinding", "ClusterRoleBinding"]), "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": random.pick(&["ClusterRole", "Role"]), "name": random.pick(&NAMES)},
            "subjects": [{"kind": "ServiceAccount", "name": random.pick(&NAMES), "namespace": random.pick(&NAMESPACES)}, {"kind": "ServiceAccount", "name": "default", "namespace": "q"}]})
        }
        10 => {
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": random.pick(&["ClusterRole", "Role"]), "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [random.pick(&NAMES), "other"], "verbs": ["get"]}]})
        }
        11 => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        12 => {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"tls": [{"secretName": random.pick(&NAMES)}],
            "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": {"service": {"name": random.pick(&NAMES), "port": {"number": 80}}}}]}}]}})
        }
        _ => {
            json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": metadata, "spec": {"list": [{"name": "a", "v": scalar(random)}], "map": {"k": scalar(random)}, "x": scalar(random)}})
        }
    }
}

fn patch_container(random: &mut Random) -> Value {
    let mut container = container(random);
    if random.chance(25) {
        container["$patch"] = json!(random.pick(&["delete", "replace", "merge"]));
    }
    if random.chance(15) {
        container["image"] = Value::Null;
    }
    container
}

fn merge_patch(random: &mut Random) -> Value {
    let (version, kind) = random.pick(&[
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("example.org/v1", "Thing"),
        ("apps/v1", "StatefulSet"),
    ]);
    let mut patch = json!({"apiVersion": version, "kind": kind, "metadata": {"name": random.pick(&NAMES)}});
    if random.chance(20) {
        patch["metadata"]["labels"] =
            random.pick(&[json!({"q": "r"}), json!({"app": null}), Value::Null, json!({})]);
    }
    if random.chance(15) {
        patch["metadata"]["annotations"] = random.pick(&[
            json!({"q": "r"}),
            json!({"n": null}),
            Value::Null,
            json!({"$patch": "replace", "z": "z"}),
        ]);
    }
    if version == "apps/v1" {
        let mut spec = json!({});
        if random.chance(70) {
            spec["containers"] = (0..=random.below(2))
                .map(|_| patch_container(random))
                .collect::<Vec<_>>()
                .into();
        }
        if random.chance(15) {
            spec["containers"] =
                json!([{"$patch": random.pick(&["replace", "delete"])}, {"name": "only", "image": "i"}]);
        }
        if random.chance(25) {
            spec["volumes"] = random.pick(&[
                Value::Null,
                json!([]),
                json!([{"name": "v", "configMap": null, "emptyDir": {}}]),
                json!([{"name": "e", "$patch": "delete"}]),
            ]);
        }
        if random.chance(15) {
            spec["tolerations"] = json!([{"key": "z"}]);
        }
        if random.chance(10) {
            spec["$patch"] = json!(random.pick(&["replace", "merge"]));
        }
        patch["spec"] = json!({"template": {"spec": spec}});
        if random.chance(20) {
            patch["spec"]["strategy"] = random.pick(&[
                Value::Null,
                json!({"type": "Recreate", "rollingUpdate": null}),
                json!({"$patch": "replace", "a": {"$patch": "merge", "b": null}}),
            ]);
        }
    } else if kind == "ConfigMap" {
        patch["data"] = random.pick(&[
            json!({"b": null}),
            json!({"n": "m"}),
            Value::Null,
            json!({"$patch": "replace", "q": "z"}),
        ]);
    } else {
        patch["spec"] = json!({"list": [{"name": "b"}], "map": {"n": scalar(random)}, "deep": {"a": null, "b": [1, null]}});
    }
    if random.chance(8) {
        patch["$patch"] = json!(random.pick(&["delete", "replace", "merge"]));
    }
    patch
}

fn json_patch(random: &mut Random) -> Value {
    let operations = [
        json!({"op": "add", "path": "/metadata/annotations/p", "value": "q"}),
        json!({"op": "add", "path": "/metadata/labels", "value": {"p": "q"}}),
        json!({"op": "replace", "path": "/metadata/name", "value": random.pick(&NAMES)}),
        json!({"op": "add", "path": "/spec/new", "value": scalar(random)}),
        json!({"op": "remove", "path": "/spec/template/spec/containers/0"}),
        json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "j", "image": "nginx"}}),
        json!({"op": "copy", "from": "/metadata/name", "path": "/copied"}),
        json!({"op": "test", "path": "/kind", "value": "Deployment"}),
    ];
    random.some(&operations, 30).into()
}

fn selector(random: &mut Random) -> Value {
    random.pick(&[
        json!({"kind": "Deployment"}),
        json!({"kind": "Deploy.*|StatefulSet"}),
        json!({"name": "web"}),
        json!({"name": "w.*", "namespace": "one"}),
        json!({"version": "v1", "kind": "ConfigMap"}),
        json!({"group": "apps"}),
        json!({"labelSelector": "app in (a, x)"}),
        json!({"labelSelector": "!app", "kind": "Service"}),
        json!({"annotationSelector": "n"}),
        json!({"kind": "Thing"}),
    ])
}

fn patches(random: &mut Random) -> Value {
    let count = random.below(3);
    let one = |random: &mut Random| {
        if random.chance(25) {
            return json!({"patch": json_patch(random).to_string(), "target": selector(random)});
        }
        let mut entry = json!({"patch": merge_patch(random).to_string()});
        if random.chance(60) {
            entry["target"] = selector(random);
        }
        if random.chance(15) {
            entry["options"] =
                json!({"allowNameChange": random.chance(50), "allowKindChange": random.chance(50)});
        }
        entry
    };
    (0..=count).map(|_| one(random)).collect::<Vec<_>>().into()
}

fn replacement(random: &mut Random) -> Value {
    let fields = [
        "metadata.annotations.r",
        "spec.template.spec.containers.0.image",
        "spec.template.spec.containers.[name=web].image",
        "data.b",
        "spec.x",
        "spec.list.[name=a].v",
        "metadata.name",
        "spec.list.*.v",
    ];
    let mut target = json!({"select": selector(random), "fieldPaths": [random.pick(&fields)]});
    if random.chance(60) {
        target["options"] = json!({"create": true});
    }
    if random.chance(25) {
        target["options"] = json!({"delimiter": ":", "index": i32::try_from(random.below(4)).unwrap() - 1});
    }
    if random.chance(20) {
        target["reject"] = json!([selector(random)]);
    }
    if random.chance(30) {
        return json!({"sourceValue": text(random), "targets": [target]});
    }
    let mut source = json!({"kind": random.pick(&["ConfigMap", "Deployment", "Thing", "Service"]), "fieldPath": random.pick(&["metadata.name", "data.b", "spec.x", "spec.map"])});
    if random.chance(60) {
        source["name"] = json!(random.pick(&NAMES));
    }
    json!({"source": source, "targets": [target]})
}

fn kustomization(random: &mut Random, resources: &[String]) -> Value {
    let mut file = json!({"resources": resources});
    let mut maybe = |key: &str, percent: usize, make: &dyn Fn(&mut Random) -> Value| {
        if random.chance(percent) {
            file[key] = make(random);
        }
    };
    maybe("namespace", 25, &|random| json!(random.pick(&NAMESPACES)));
    maybe("namePrefix", 25, &|_| json!("p-"));
    maybe("nameSuffix", 20, &|random| json!(random.pick(&["-s", "1"])));
    maybe("commonLabels", 15, &|_| json!({"c": "d", "app": "1"}));
    maybe(
        "labels",
        20,
        &|random| json!([{"pairs": {"l": "true"}, "includeSelectors": random.chance(30), "includeTemplates": random.chance(30)}]),
    );
    maybe("commonAnnotations", 15, &|random| json!({"an": text(random)}));
    maybe(
        "images",
        25,
        &|random| json!([{"name": random.pick(&["nginx", "registry:5000/x/side", "api", ".*"]), "newTag": "t"}, {"name": "x", "newName": "y/z", "digest": "sha256:ff"}]),
    );
    maybe(
        "replicas",
        8,
        &|random| json!([{"name": random.pick(&NAMES), "count": 7}]),
    );
    maybe("configMapGenerator", 20, &|random| {
        let behavior = random.pick(&["", "create", "merge", "replace"]);
        json!([{"name": random.pick(&["cm", "gen"]), "behavior": behavior, "literals": ["k=v", format!("t={}", text(random).as_str().unwrap_or_default())],
            "options": {"disableNameSuffixHash": random.chance(30), "labels": {"gl": "x"}}}])
    });
    maybe(
        "secretGenerator",
        10,
        &|_| json!([{"name": "x", "literals": ["k=v"]}]),
    );
    maybe("patches", 50, &patches);
    maybe("replacements", 15, &|random| json!([replacement(random)]));
    maybe("buildMetadata", 8, &|random| {
        random
            .some(
                &["originAnnotations", "transformerAnnotations", "managedByLabel"],
                60,
            )
            .into()
    });
    maybe("sortOptions", 5, &|_| json!({"order": "legacy"}));
    file
}

fn case(random: &mut Random) -> Value {
    let mut files = serde_json::Map::new();
    let folders: &[&str] = random.pick(&[
        &[""] as &[&str],
        &["base", ""],
        &["base", "middle", ""],
        &["base", "base2", ""],
    ]);
    let mut below: Vec<String> = Vec::new();
    for folder in folders {
        let place = |name: &str| {
            if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            }
        };
        let mut text = String::new();
        for _ in 0..random.below(4) + usize::from(folder.starts_with("base")) {
            let _ = writeln!(text, "---\n{}", fluxbot_yaml::to_string(&object(random)));
        }
        if random.chance(10) {
            let (name, block) = (random.pick(&NAMES), random.pick(&BLOCKS));
            let head = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ";
            let _ = writeln!(text, "{head}{name}}}\ndata:\n  block: {block}");
        }
        let mut resources: Vec<String> = match *folder {
            "" => std::mem::take(&mut below),
            "middle" => below.drain(..).map(|name| format!("../{name}")).collect(),
            _ => Vec::new(),
        };
        if !text.is_empty() {
            files.insert(place("all.yaml"), text.into());
            resources.push("all.yaml".to_owned());
        }
        files.insert(
            place("kustomization.yaml"),
            kustomization(random, &resources).to_string().into(),
        );
        below.push((*folder).to_owned());
    }
    if random.chance(15) {
        let mut component = kustomization(random, &[]);
        component["kind"] = json!("Component");
        files.insert(
            "component/kustomization.yaml".to_owned(),
            component.to_string().into(),
        );
        let root: Value = serde_json::from_str(files["kustomization.yaml"].as_str().unwrap()).unwrap();
        let mut root = root;
        root["components"] = json!(["component"]);
        files.insert("kustomization.yaml".to_owned(), root.to_string().into());
    }
    json!({"name": "", "run": ".", "files": files})
}

fn ours(case: &Value) -> Result<String, String> {
    let case: Case = serde_json::from_value(case.clone()).unwrap();
    case.outcome()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Asks the original for all answers at once.
fn theirs(oracle: &str, cases: &[Value]) -> Vec<Value> {
    let mut child = Command::new(oracle)
        .arg("answer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
#[ignore = "needs the program of hack/oracle/kustomize in FLUXBOT_FUZZ_ORACLE, and minutes"]
fn random_kustomizations_give_what_the_original_gives() {
    let oracle = std::env::var("FLUXBOT_FUZZ_ORACLE").unwrap();
    let (seed, count) = (number("FLUXBOT_FUZZ_SEED", 1), number("FLUXBOT_FUZZ_CASES", 1000));
    let (mut same, mut fail, mut faults) = (0, 0, Vec::new());
    for chunk in 0..count.div_ceil(500) {
        let mut random = Random(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (chunk + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1,
        );
        for _ in 0..8 {
            random.draw();
        }
        let cases: Vec<Value> = (0..500).map(|_| case(&mut random)).collect();
        let answers = theirs(&oracle, &cases);
        assert_eq!(
            answers.len(),
            cases.len(),
            "the original died in chunk {chunk} of seed {seed}"
        );
        for (case, answer) in cases.iter().zip(answers) {
            let error = answer["error"].as_str().unwrap_or_default();
            let expected = answer["expected"].as_str().unwrap_or_default();
            match ours(case) {
                Ok(text) if error.is_empty() && text == expected => same += 1,
                Err(_) if !error.is_empty() => fail += 1,
                Ok(text) if error.is_empty() => {
                    faults.push((case.clone(), super::conformance::difference(expected, &text)));
                }
                Ok(_) => faults.push((case.clone(), format!("must fail: {error}"))),
                Err(own) => faults.push((case.clone(), format!("fails: {own}"))),
            }
        }
    }
    eprintln!("{same} same, {fail} fail in both, {} differ", faults.len());
    if let Ok(path) = std::env::var("FLUXBOT_FUZZ_FAULTS") {
        let lines: Vec<String> = faults
            .iter()
            .map(|(case, fault)| json!({"case": case, "fault": fault}).to_string())
            .collect();
        std::fs::write(path, lines.join("\n")).unwrap();
    }
    let shown: Vec<String> = faults
        .iter()
        .take(5)
        .map(|(case, fault)| format!("{fault}\n{case}"))
        .collect();
    assert!(faults.is_empty(), "{}", shown.join("\n\n"));
}
