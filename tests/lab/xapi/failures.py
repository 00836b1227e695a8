"""XenAPI failures: a code and its parameters, as `ErrorDescription` carries them."""


class XapiError(Exception):
    """`code` and `parameters` in the order of `ErrorDescription`."""

    def __init__(self, code: str, *parameters: str) -> None:
        super().__init__(code, *parameters)
        self.code = code
        self.parameters = list(parameters)

    @property
    def description(self) -> list[str]:
        """[code, parameters…]."""
        return [self.code, *self.parameters]


def handle_invalid(class_name: str, ref: str) -> XapiError:
    """No object of that class has that reference."""
    return XapiError("HANDLE_INVALID", class_name, ref)


def session_invalid(ref: str) -> XapiError:
    """The session was logged out, expired, or died with its xapi."""
    return XapiError("SESSION_INVALID", ref)


def method_unknown(name: str) -> XapiError:
    """No such message."""
    return XapiError("MESSAGE_METHOD_UNKNOWN", name)


def count_mismatch(name: str, expected: int, received: int) -> XapiError:
    """Wrong number of parameters, the session among them."""
    return XapiError("MESSAGE_PARAMETER_COUNT_MISMATCH", name, str(expected), str(received))


def permission_denied(name: str) -> XapiError:
    """The session's role does not allow the call."""
    return XapiError("RBAC_PERMISSION_DENIED", name.lower(), "No permission in user session")
