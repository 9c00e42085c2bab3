"""Import every table once, so that ``Base.metadata`` is whole (migrations, self-check)."""

from app import clock, idempotency, ratelimit  # noqa: F401
from app.accounts import models as accounts  # noqa: F401
from app.audit import models as audit  # noqa: F401
from app.closing import models as closing  # noqa: F401
from app.commitments import models as commitments  # noqa: F401
from app.commitments import (
    reconfirm_models,  # noqa: F401
    waiting_models,  # noqa: F401
)
from app.complaints import models as complaints  # noqa: F401
from app.contracts import models as contracts  # noqa: F401
from app.db import Base
from app.investors import models as investors  # noqa: F401
from app.ledger import models as ledger  # noqa: F401
from app.notices import models as notices  # noqa: F401
from app.offerings import auditing_models, change_models, lot_models  # noqa: F401
from app.offerings import models as offerings  # noqa: F401
from app.outbox import models as outbox  # noqa: F401
from app.payments import models as payments  # noqa: F401
from app.payments import (
    reversal_models,  # noqa: F401
    sandbox_models,  # noqa: F401
)
from app.progress import (
    amendment_models,  # noqa: F401
    dispute_models,  # noqa: F401
    ending_models,  # noqa: F401
    halt_models,  # noqa: F401
    lateness_models,  # noqa: F401
    order_models,  # noqa: F401
)
from app.progress import models as progress  # noqa: F401
from app.regimes import models as regimes  # noqa: F401
from app.register import models as register  # noqa: F401

metadata = Base.metadata
