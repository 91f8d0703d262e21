"""What a field of a group may say of itself."""

NOT_IDENTITY = {
    "operational": True
}  # as a field's metadata: it never changes a result, and is no part of a run's identity
IF_SET = {
    "if_set": True
}  # it counts where it says something: null leaves a run the identity that it had before there was such a field
