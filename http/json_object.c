/* json_object.c - cJSON behind a strict door.
 *
 * Guarantees: nothing reaches cJSON that json_check() has not accepted, so its own leniency does
 * not show. Costs of refusals are bounded by the number of known names, not by what a client sends.
 * It must not know what the members mean.
 */
#include "json_object.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "amount.h"
#include "florin_limits.h"
#include "json_check.h"

static bool refuse_text(struct request_fault *fault, const char *text,
                        const struct json_fault *lexical)
{
    char field[REQUEST_FIELD_MAX + 1] = "body";
    if (lexical->member_length > 0 && lexical->member_length <= REQUEST_FIELD_MAX) {
        memcpy(field, text + lexical->member_offset, lexical->member_length);
        field[lexical->member_length] = '\0';
    }
    /* A name that was cut short by its own fault may be no whole UTF-8; then it is not repeated. */
    for (const char *byte = field; *byte != '\0'; byte++) {
        if ((unsigned char)*byte >= 0x80 || (unsigned char)*byte < 0x20)
            strcpy(field, "body");
    }
    return request_fault_set(fault, field, "Malformed JSON at byte %zu: %s", lexical->offset,
                             lexical->reason);
}

static bool name_is_known(const char *name, const char *const *names, size_t name_count)
{
    for (size_t i = 0; i < name_count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool has_before(const cJSON *parent, const cJSON *item)
{
    for (const cJSON *other = parent->child; other != item; other = other->next) {
        if (strcmp(other->string, item->string) == 0)
            return true;
    }
    return false;
}

static const struct json_names nothing = {NULL, 0};

static bool check_members(const cJSON *root, const char *const *names, size_t name_count,
                          const struct json_names *besides, struct request_fault *fault)
{
    /* Ends after as many members as there are names, and one: the next is unknown or there twice.
     */
    for (const cJSON *item = root->child; item != NULL; item = item->next) {
        if (!name_is_known(item->string, names, name_count) &&
            !name_is_known(item->string, besides->names, besides->count))
            return request_fault_set(fault, item->string, "Unknown field \"%s\"", item->string);
        if (has_before(root, item))
            return request_fault_set(fault, item->string, "Field \"%s\" is given twice",
                                     item->string);
    }
    return true;
}

bool json_object_parse(struct json_object *object, const char *text, size_t length,
                       const char *const *names, size_t name_count, struct request_fault *fault)
{
    struct json_fault lexical;
    if (length == 0)
        return request_fault_set(fault, "body", "The body is empty; a JSON object is needed");
    if (!json_check(text, length, &lexical))
        return refuse_text(fault, text, &lexical);
    cJSON *root = cJSON_ParseWithLength(text, length);
    if (root == NULL)
        return request_fault_set(fault, "body", "The body cannot be read as JSON");
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return request_fault_set(fault, "body", "The body must be a JSON object");
    }
    if (names != NULL && !check_members(root, names, name_count, &nothing, fault)) {
        cJSON_Delete(root);
        return false;
    }
    object->root = root;
    return true;
}

void json_object_free(struct json_object *object)
{
    cJSON_Delete(object->root);
    object->root = NULL;
}

bool json_object_check(const struct json_object *object, const char *const *names,
                       size_t name_count, const struct json_names *besides,
                       struct request_fault *fault)
{
    return check_members(object->root, names, name_count, besides, fault);
}

static const cJSON *find(const struct json_object *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object->root, name);
}

bool json_object_has(const struct json_object *object, const char *name)
{
    return find(object, name) != NULL;
}

bool json_object_text(const struct json_object *object, const char *name, const char **text,
                      struct request_fault *fault)
{
    const cJSON *item = find(object, name);
    if (!cJSON_IsString(item))
        return request_fault_set(fault, name, "\"%s\" must be a string", name);
    *text = item->valuestring;
    return true;
}

bool json_object_money(const struct json_object *object, const char *name,
                       struct money_decimal *decimal, struct request_fault *fault)
{
    const cJSON *item = find(object, name);
    bool read = false;
    if (cJSON_IsNumber(item))
        read = amount_from_double(item->valuedouble, decimal);
    else if (cJSON_IsString(item))
        read = amount_from_text(item->valuestring, strlen(item->valuestring), decimal);
    else
        return request_fault_set(fault, name, "\"%s\" must be a number or a string", name);
    if (!read)
        return request_fault_set(fault, name, "\"%s\" must be a decimal like 12.34", name);
    return true;
}

/* A number without decimals, from 1 on. */
static bool read_whole(const cJSON *item, uint64_t *value)
{
    struct money_decimal decimal;
    if (!cJSON_IsNumber(item) || !amount_from_double(item->valuedouble, &decimal) ||
        decimal.scale != 0 || decimal.digits < 1)
        return false;
    *value = (uint64_t)decimal.digits;
    return true;
}

bool json_object_version(const struct json_object *object, const char *name, uint64_t *version,
                         struct request_fault *fault)
{
    return read_whole(find(object, name), version) ||
           request_fault_set(fault, name, "\"%s\" must be a whole number from 1 on", name);
}

bool json_object_whole(const struct json_object *object, const char *name, uint64_t max,
                       uint64_t *value, struct request_fault *fault)
{
    uint64_t whole;
    if (!read_whole(find(object, name), &whole) || whole > max)
        return request_fault_set(fault, name, "\"%s\" must be a whole number from 1 to %" PRIu64,
                                 name, max);
    *value = whole;
    return true;
}

bool json_object_array(const struct json_object *object, const char *name, size_t min, size_t max,
                       size_t *count, struct request_fault *fault)
{
    const cJSON *item = find(object, name);
    size_t found = 0;
    if (!cJSON_IsArray(item))
        return request_fault_set(fault, name, "\"%s\" must be an array", name);
    for (const cJSON *element = item->child; element != NULL && found <= max;
         element = element->next)
        found++;
    if (found < min || found > max)
        return request_fault_set(fault, name, "\"%s\" must have %zu to %zu elements", name, min,
                                 max);
    *count = found;
    return true;
}

bool json_object_element(const struct json_object *object, const char *name, size_t index,
                         const char *const *names, size_t name_count, struct json_object *element,
                         struct request_fault *fault)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object->root, name)->child;
    for (size_t i = 0; i < index; i++)
        item = item->next;
    if (!cJSON_IsObject(item)) {
        char field[REQUEST_FIELD_MAX + 1];
        snprintf(field, sizeof(field), "%s[%zu]", name, index);
        return request_fault_set(fault, field, "\"%s\" must be an object", field);
    }
    element->root = item;
    return check_members(item, names, name_count, &nothing, fault) ||
           request_fault_within(fault, name, index);
}

/* Duplicate members anywhere within; called for texts of at most FLORIN_METADATA_MAX bytes. */
static const cJSON *find_duplicate(const cJSON *top)
{
    const cJSON *path[FLORIN_JSON_DEPTH_MAX + 1];
    size_t depth = 0;
    path[0] = top;
    for (const cJSON *item = top->child; depth > 0 || item != NULL;) {
        if (item == NULL) {
            item = path[depth--]->next;
            continue;
        }
        const cJSON *parent = path[depth];
        if (cJSON_IsObject(parent) && has_before(parent, item))
            return item;
        if (item->child != NULL) {
            path[++depth] = item;
            item = item->child;
        } else {
            item = item->next;
        }
    }
    return NULL;
}

bool json_object_compact(const struct json_object *object, const char *name, char *text,
                         size_t capacity, size_t *length, struct request_fault *fault)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object->root, name);
    if (!cJSON_IsObject(item))
        return request_fault_set(fault, name, "\"%s\" must be an object", name);
    *length = 0;
    if (item->child == NULL)
        return true;
    char *printed = cJSON_PrintUnformatted(item);
    size_t printed_length = printed == NULL ? SIZE_MAX : strlen(printed);
    bool fits = printed_length < capacity;
    if (fits) {
        memcpy(text, printed, printed_length + 1);
        *length = printed_length;
    }
    cJSON_free(printed);
    if (!fits)
        return request_fault_set(fault, name, "\"%s\" is longer than %zu bytes", name,
                                 capacity - 1);
    const cJSON *duplicate = find_duplicate(item);
    if (duplicate != NULL)
        return request_fault_set(fault, name, "\"%s\" has the member \"%s\" twice", name,
                                 duplicate->string);
    return true;
}
