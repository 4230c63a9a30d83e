//! What the module says of itself.

use crate::host::{TestHost, component, constant, deinit, init, module};

#[test]
fn the_module_is_constant_and_complete() {
    let module = module();
    assert!(std::ptr::eq(module, crate::host::module()));
    assert_eq!((module.abi_major, module.abi_minor), (rfid_abi::MAJOR, rfid_abi::MINOR));
    assert_eq!(module.read_size, 64);
    assert_eq!(constant(module.id), "com.example.staged");
    assert_eq!(constant(module.vendor), "Example");
    assert_eq!(constant(module.version), env!("CARGO_PKG_VERSION"));
    assert!(constant(module.built_with).starts_with("rustc 1."), "{}", constant(module.built_with));
    assert!(constant(module.built_with).contains(", rfid-plugin "));
}

#[test]
fn a_host_of_another_minor_version_gets_nothing() {
    for minor in [0, u32::from(rfid_abi::MINOR) + 1, u32::MAX] {
        assert!(crate::rfid_plugin_module_v0(minor).is_null());
    }
}

#[test]
fn a_component_says_what_the_driver_says() {
    let staged = component("staged");
    assert_eq!((staged.kind, staged.flags), (rfid_abi::COMPONENT_DRIVER, 0));
    assert_eq!(constant(staged.description), "does what its options say");
    assert_eq!(constant(staged.config_example), "play = \"counts\"\n");
    let schema: serde_json::Value = serde_json::from_str(constant(staged.config_schema)).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert!(staged.sink.is_null());
}

#[test]
fn the_module_begins_and_ends_and_wants_a_whole_host() {
    let host = TestHost::new("module");
    init(&host).unwrap();
    deinit();
    // SAFETY: no host at all is what is tried.
    let refused = crate::host::told(|err| unsafe { module().init.unwrap()(std::ptr::null(), err) });
    assert_eq!(refused.unwrap_err().0, rfid_abi::Status::INVALID);
}
