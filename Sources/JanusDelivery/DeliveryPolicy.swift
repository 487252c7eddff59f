package import JanusHTTP

/// What delivery may reach, and how much and how long.
package struct DeliveryPolicy: Sendable {
    /// Whether `http://` is allowed beside `https://`.
    package var allowHTTP: Bool
    /// Networks that are reachable although they are loopback, private or otherwise reserved.
    package var allowedNetworks: [AddressRange]
    /// PEM file of certificate authorities instead of the system's.
    package var caFile: String?
    package var userAgent: String
    package var inputBytesMax: Int
    /// For one input picture, from name resolution to its last byte.
    package var inputSeconds: Double
    /// For one try of one upload.
    package var uploadSeconds: Double
    /// For one try of one webhook.
    package var webhookSeconds: Double
    /// Jobs whose outputs may be uploaded at once, and webhooks that may be called at once; fewer where descriptors or
    /// threads do not suffice.
    package var uploadsMax: Int
    package var webhooksMax: Int
    /// The directory that `file:///` sinks must lie in; nil refuses them all.
    package var fileRoot: String?

    package init(
        allowHTTP: Bool = false, allowedNetworks: [AddressRange] = [], caFile: String? = nil,
        userAgent: String = "janusd", inputBytesMax: Int = 20 << 20, inputSeconds: Double = 30,
        uploadSeconds: Double = 120, webhookSeconds: Double = 15, uploadsMax: Int = 64, webhooksMax: Int = 64,
        fileRoot: String? = nil
    ) {
        self.allowHTTP = allowHTTP
        self.allowedNetworks = allowedNetworks
        self.caFile = caFile
        self.userAgent = userAgent
        self.inputBytesMax = inputBytesMax
        self.inputSeconds = inputSeconds
        self.uploadSeconds = uploadSeconds
        self.webhookSeconds = webhookSeconds
        self.uploadsMax = uploadsMax
        self.webhooksMax = webhooksMax
        self.fileRoot = fileRoot
    }
}

/// The three ways out and in, over one client and so under one policy.
package struct Delivery: Sendable {
    package let inputs: InputFetcher
    package let uploader: Uploader
    package let webhooks: WebhookSender
    private let route: DeliveryRoute

    /// - Throws: `HTTPError.unusable` when libcurl cannot be initialised or the CA file cannot be used.
    package init(_ policy: DeliveryPolicy) throws(HTTPError) {
        route = try DeliveryRoute(policy)
        inputs = InputFetcher(route)
        uploader = Uploader(route)
        webhooks = WebhookSender(route)
    }

    /// What begins from now on goes by this policy.
    /// - Throws: as `init`; what held before holds on then.
    package func change(to policy: DeliveryPolicy) throws(HTTPError) { try route.change(to: policy) }
}
