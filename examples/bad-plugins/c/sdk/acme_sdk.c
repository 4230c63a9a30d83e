/* Stands for a vendor's SDK, which comes as a library of its own. */
__attribute__((visibility("default"))) int acme_sdk_version(void);

int acme_sdk_version(void) { return 1; }
