use super::*;

fn entry(id: &str, version: &str) -> Entry {
    Entry {
        id: id.parse().unwrap(),
        version: version.to_owned(),
    }
}

fn stored(ids: &[&str]) -> StoredInventory {
    StoredInventory {
        entries: ids
            .iter()
            .map(|id| InventoryEntry {
                id: (*id).to_owned(),
                version: "v1".to_owned(),
            })
            .collect(),
    }
}

#[test]
fn an_inventory_is_stored_as_it_was_read_even_where_it_cannot_be_understood() {
    let text = ["web_front_apps_Deployment", "_web__Namespace", "nonsense"];
    let inventory = Inventory::from_stored(&stored(&text));
    assert_eq!(inventory.entries().len(), 2);
    assert_eq!(inventory.unreadable().len(), 1);
    assert_eq!(inventory.to_stored(), stored(&text));
}

#[test]
fn an_object_is_listed_once() {
    let inventory = Inventory::from_stored(&stored(&["_web__Namespace", "_web__Namespace"]));
    assert_eq!(inventory.to_stored(), stored(&["_web__Namespace"]));
}

#[test]
fn the_union_takes_the_version_of_the_newer_inventory_and_forgets_nothing() {
    let old = Inventory::from_stored(&StoredInventory {
        entries: [stored(&["a_b_apps_C", "a_c_apps_C", "nonsense"]).entries].concat(),
    });
    let new: Inventory = [entry("a_b_apps_C", "v2")].into_iter().collect();
    let union = new.union(&old);
    assert_eq!(
        union.entries(),
        [entry("a_b_apps_C", "v2"), entry("a_c_apps_C", "v1")]
    );
    assert_eq!(union.unreadable().len(), 1);
}

#[test]
fn an_object_is_not_stale_because_its_version_has_changed() {
    let old: Inventory = [entry("a_b_apps_C", "v1"), entry("a_c_apps_C", "v1")]
        .into_iter()
        .collect();
    let new: Inventory = [entry("a_b_apps_C", "v2")].into_iter().collect();
    assert_eq!(old.difference(&new), [entry("a_c_apps_C", "v1")]);
    assert!(new.difference(&new).is_empty());
}
