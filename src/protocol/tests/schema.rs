//! Our schema against Apache's own, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::Value;

use super::{Call, calls};
use crate::protocol::reflect::{Field, Kind};
use crate::wire::Version;

/// `KAFKIO_SCHEMAS` names folders `common/message` out of kafka-clients jars, separated by `:`.
#[test]
#[ignore = "needs KAFKIO_SCHEMAS, the schemas out of kafka-clients jars: see tests/golden/README.md"]
fn schemas_are_those_of_kafka() {
    let folders = std::env::var("KAFKIO_SCHEMAS").expect("KAFKIO_SCHEMAS is set");
    let mut all = Vec::new();
    let mut missing: BTreeSet<_> = calls().iter().map(|call| call.key).collect();
    for folder in folders.split(':').map(Path::new) {
        let files = read(folder);
        assert!(files.len() > 50, "{} has only {} schemas", folder.display(), files.len());
        for call in calls() {
            let request = files.get(&(i64::from(call.key.0), "request".to_owned()));
            let unstable = request.is_some_and(|file| file["latestVersionUnstable"] == true);
            for (part, message) in [("request", &call.request), ("response", &call.response)] {
                let theirs = files.get(&(i64::from(call.key.0), part.to_owned()));
                // Old jars lack new calls.
                let Some(theirs) = theirs else { continue };
                // An older name of the same call and its fields; golden bytes hold that version.
                if text(theirs, "name").starts_with("ListClientMetricsResources") {
                    continue;
                }
                missing.remove(&call.key);
                let differences = Vec::new();
                let mut compare = Compare { call: &call, unstable, root: theirs, differences };
                compare.message((message.kind)());
                let found = compare.differences.into_iter();
                all.extend(found.map(|text| format!("{}: {text}", folder.display())));
            }
        }
    }
    assert!(missing.is_empty(), "in none of the folders: {missing:?}");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The schemas of a folder by API key and type.
fn read(folder: &Path) -> BTreeMap<(i64, String), Value> {
    let mut files = BTreeMap::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text file");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let json: Value = serde_json::from_str(&lines.collect::<Vec<_>>().join("\n"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let (Some(key), Some(part)) = (json["apiKey"].as_i64(), json["type"].as_str()) {
            files.insert((key, part.to_owned()), json);
        }
    }
    files
}

/// One message of ours and its schema by Apache.
struct Compare<'a> {
    call: &'a Call,
    /// The latest version may still change, and brokers speak it only if told to.
    unstable: bool,
    root: &'a Value,
    differences: Vec<String>,
}

impl Compare<'_> {
    fn message(&mut self, ours: Kind) {
        let name = text(self.root, "name");
        let speak = self.call.versions.clone();
        let mut valid = versions(&text(self.root, "validVersions"));
        if self.unstable && !speak.contains(valid.end()) {
            valid = *valid.start()..=valid.end() - 1;
        }
        if valid.is_empty() {
            return;
        }
        self.equal(&name, "name", &ours.text, &name);
        if !(speak.contains(valid.start()) && speak.contains(valid.end())) {
            self.differences.push(format!("{name}: we speak {speak:?}, Apache {valid:?}"));
        }
        let common: Vec<i16> = valid.filter(|number| speak.contains(number)).collect();
        let flexible = versions(&text(self.root, "flexibleVersions"));
        for &number in &common {
            let ours = (self.call.version)(number).flexible;
            self.equal(&name, "flexible", ours, flexible.contains(&number));
        }
        let fields = ours.fields.expect("a message is a struct");
        self.fields(&name, &fields, &self.root["fields"], &common);
    }

    /// Compares two lists of fields in the versions in which their struct occurs.
    fn fields(&mut self, path: &str, ours: &[Field], theirs: &Value, numbers: &[i16]) {
        let in_use = |field: &&Field| numbers.iter().any(|number| (field.is_in)(plain(*number)));
        let theirs: Vec<(String, &Value)> = theirs
            .as_array()
            .expect("a list of fields")
            .iter()
            .map(|field| (snake_case(&text(field, "name")), field))
            .filter(|(_, field)| {
                let when = versions(&text(field, "versions"));
                numbers.iter().any(|number| when.contains(number))
            })
            .collect();
        let mut names: Vec<_> = theirs.iter().map(|(name, _)| name.as_str()).collect();
        let mut our_names: Vec<_> = ours.iter().filter(in_use).map(|field| field.name).collect();
        // The order is on the wire, where the golden bytes check it; tagged fields have none.
        names.sort_unstable();
        our_names.sort_unstable();
        self.equal(path, "fields", our_names, names);
        for (name, theirs) in theirs {
            if let Some(ours) = ours.iter().find(|field| field.name == name) {
                self.field(&format!("{path}.{name}"), ours, theirs, numbers);
            }
        }
    }

    fn field(&mut self, path: &str, ours: &Field, theirs: &Value, numbers: &[i16]) {
        let when = versions(&text(theirs, "versions"));
        let nullable = versions(&text(theirs, "nullableVersions"));
        let mut common = Vec::new();
        for &number in numbers {
            let version = plain(number);
            let is_in = when.contains(&number);
            self.equal(path, &format!("in version {number}"), (ours.is_in)(version), is_in);
            if is_in {
                common.push(number);
                let null = ours.kind.nullable && (ours.null_in)(version);
                let what = format!("nullable in version {number}");
                self.equal(path, &what, null, nullable.contains(&number));
            }
        }
        let kind = text(theirs, "type").replace("records", "bytes");
        self.equal(path, "type", &ours.kind.text, &kind);
        if common.len() < numbers.len() {
            let ignorable = theirs["ignorable"].as_bool().unwrap_or(false);
            self.equal(path, "ignorable", ours.ignorable, ignorable);
        }
        let tag = theirs["tag"].as_u64().map(|tag| u32::try_from(tag).expect("a small tag"));
        self.equal(path, "tag", ours.tag, tag);
        if tag.is_some() {
            let tagged = versions(&text(theirs, "taggedVersions"));
            assert!(common.iter().all(|number| tagged.contains(number)), "{path} is not tagged");
        }

        let everywhere = common.iter().all(|number| nullable.contains(number));
        let null = ours.default == "None" && everywhere && tag.is_none();
        let default = default(ours, &text(theirs, "default"));
        if !null && default.as_ref().is_some_and(|default| *default != ours.default) {
            self.equal(path, "default", Some(ours.default.clone()), default);
        }

        if let Some(fields) = &ours.kind.fields {
            let name = kind.trim_start_matches("[]");
            let theirs = theirs.get("fields").or_else(|| self.common_struct(name));
            let theirs = theirs.cloned().unwrap_or_else(|| panic!("{path}: no struct {name}"));
            self.fields(path, fields, &theirs, &common);
        }
    }

    fn common_struct(&self, name: &str) -> Option<&Value> {
        let structs = self.root["commonStructs"].as_array()?;
        structs.iter().find(|common| common["name"] == name)?.get("fields")
    }

    #[expect(clippy::needless_pass_by_value, reason = "most callers have values")]
    fn equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        path: &str,
        what: &str,
        ours: T,
        theirs: T,
    ) {
        if ours != theirs {
            self.differences.push(format!("{path}, {what}: ours {ours:?}, Apache's {theirs:?}"));
        }
    }
}

/// Apache's default of a field, as ours would print it; `None` for that of a struct.
fn default(ours: &Field, theirs: &str) -> Option<String> {
    let kind = &ours.kind.text;
    let value = match kind.as_str() {
        _ if theirs == "null" => return Some("None".to_owned()),
        array if array.starts_with("[]") => "[]".to_owned(),
        "string" => format!("{theirs:?}"),
        "bytes" => format!("b{theirs:?}"),
        "bool" => if theirs.is_empty() { "false" } else { theirs }.to_owned(),
        "uuid" => "00000000-0000-0000-0000-000000000000".to_owned(),
        "float64" => if theirs.is_empty() { "0.0" } else { theirs }.to_owned(),
        _ if ours.kind.fields.is_some() => return None,
        _ => match theirs.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).expect("a number").to_string(),
            None => if theirs.is_empty() { "0" } else { theirs }.to_owned(),
        },
    };
    Some(if ours.kind.nullable { format!("Some({value})") } else { value })
}

/// `3`, `3-5`, `3+`, or `none`, which is also what an absent range means.
#[expect(clippy::reversed_empty_ranges, reason = "contains nothing")]
fn versions(text: &str) -> RangeInclusive<i16> {
    let number = |text: &str| text.parse().expect("a version");
    match (text.strip_suffix('+'), text.split_once('-')) {
        _ if text.is_empty() || text == "none" => 1..=0,
        (Some(first), _) => number(first)..=i16::MAX,
        (_, Some((first, last))) => number(first)..=number(last),
        _ => number(text)..=number(text),
    }
}

/// A text, or a number as text; empty if absent.
fn text(json: &Value, key: &str) -> String {
    match &json[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn plain(number: i16) -> Version {
    Version { number, flexible: false }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
